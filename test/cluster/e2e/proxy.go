package e2e

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// API is the API server by plain HTTP, through kubectl proxy: for what must be timed, or done so often that a kubectl for
// each would be the load.
type API struct {
	address string
	client  http.Client
}

// Proxy starts kubectl proxy until the context ends. It listens on 127.0.0.1 only.
func (c *Cluster) Proxy(ctx context.Context) (*API, error) {
	cmd := c.Command(ctx, "kubectl", "proxy", "--port=0")
	said, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting kubectl proxy: %w", err)
	}
	line, err := bufio.NewReader(said).ReadString('\n')
	go cmd.Wait() // it ends with the context
	_, address, found := strings.Cut(strings.TrimSpace(line), "Starting to serve on ")
	if !found {
		return nil, fmt.Errorf("starting kubectl proxy: it said %q (%v), expected its address", line, err)
	}
	return &API{address: "http://" + address, client: http.Client{Timeout: 30 * time.Second}}, nil
}

// Post posts JSON and gives the answer and its status.
func (a *API) Post(ctx context.Context, path string, object []byte) (status int, answer []byte, err error) {
	return a.do(ctx, http.MethodPost, path, object)
}

// Get gives what is at a path; a status other than 200 is an error.
func (a *API) Get(ctx context.Context, path string) ([]byte, error) {
	status, answer, err := a.do(ctx, http.MethodGet, path, nil)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("getting %s: status %d: %s", path, status, answer)
	}
	return answer, err
}

// Delete deletes at once, without the grace of the pod.
func (a *API) Delete(ctx context.Context, path string) error {
	status, answer, err := a.do(ctx, http.MethodDelete, path, []byte(`{"gracePeriodSeconds": 0}`))
	if err == nil && status/100 != 2 {
		err = fmt.Errorf("deleting %s: status %d: %s", path, status, answer)
	}
	return err
}

func (a *API) do(ctx context.Context, method, path string, object []byte) (int, []byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, a.address+path, bytes.NewReader(object))
	if err != nil {
		return 0, nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := a.client.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	return response.StatusCode, answer, err
}
