package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// betweenLooks is how often new containers of the installation are looked for. None of them lives as short as that.
const betweenLooks = 500 * time.Millisecond

// KeepLogs has all that containers of the installation log written to files, one for each container and each of its starts,
// until stop is called: the node forgets the logs of a pod that is deleted, and checks replace replicas.
func (c *Cluster) KeepLogs(ctx context.Context) (stop func(), err error) {
	if err := os.MkdirAll(c.keptLogs(), 0o755); err != nil {
		return nil, err
	}
	api, err := c.Proxy(ctx)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	k := &keeper{cluster: c, api: api, followed: map[string]bool{}}
	k.streams.Go(func() { k.run(ctx) })
	return func() {
		cancel()
		k.streams.Wait()
		api.Close()
	}, nil
}

// KeptLogs are the logs so far, by the names of their files.
func (c *Cluster) KeptLogs() (map[string][]byte, error) {
	files, err := filepath.Glob(filepath.Join(c.keptLogs(), "*.log"))
	if err != nil {
		return nil, err
	}
	logs := map[string][]byte{}
	for _, file := range files {
		if logs[file], err = os.ReadFile(file); err != nil {
			return nil, err
		}
	}
	return logs, nil
}

func (c *Cluster) keptLogs() string { return filepath.Join(c.Logs, Release) }

// keeper follows each container's log by a kubectl of its own, which ends when the container does.
type keeper struct {
	cluster *Cluster
	api     *API
	streams sync.WaitGroup

	mu       sync.Mutex
	followed map[string]bool // by the name of its file
}

func (k *keeper) run(ctx context.Context) {
	tick := time.NewTicker(betweenLooks)
	defer tick.Stop()
	for {
		k.look(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// look follows the containers that have been started since the last look. If the API server cannot be asked, the next look
// will do.
func (k *keeper) look(ctx context.Context) {
	list, err := k.api.Get(ctx, "/api/v1/namespaces/"+Release+"/pods")
	var pods corev1.PodList
	if err != nil || json.Unmarshal(list, &pods) != nil {
		return
	}
	for _, pod := range pods.Items {
		for _, container := range pod.Status.ContainerStatuses {
			name := fmt.Sprintf("%s-%s-%d.log", pod.Name, container.Name, container.RestartCount)
			if container.State.Waiting == nil && k.mark(name, true) {
				k.streams.Go(func() {
					if k.follow(ctx, pod.Name, container.Name, name) != nil {
						k.mark(name, false) // so that the next look tries again
					}
				})
			}
		}
	}
}

// mark says whether this changes anything.
func (k *keeper) mark(name string, followed bool) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	changed := k.followed[name] != followed
	k.followed[name] = followed
	return changed
}

// follow writes a log from its beginning to its end. What another attempt has written stays.
func (k *keeper) follow(ctx context.Context, pod, container, name string) error {
	file, err := os.OpenFile(filepath.Join(k.cluster.keptLogs(), name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer file.Close()
	cmd := k.cluster.Command(ctx, "kubectl", "-n", Release, "logs", "--follow", pod, "-c", container)
	cmd.Stdout = file
	return cmd.Run()
}
