package e2e

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"time"
)

// API is the API server by plain HTTP, through kubectl proxy: for what must be timed, or done so often that a kubectl for
// each would be the load.
type API struct {
	address string
	client  http.Client
	end     func()
}

// Proxy starts kubectl proxy, which the caller closes. It ends with the context, too.
func (c *Cluster) Proxy(ctx context.Context) (*API, error) {
	address, end, err := c.Listen(ctx, "proxy", "--port=0")
	if err != nil {
		return nil, err
	}
	return &API{address: "http://" + address, client: http.Client{Timeout: 30 * time.Second}, end: end}, nil
}

// Close ends kubectl proxy and returns when it is gone. It may be called again.
func (a *API) Close() { a.end() }

// listening is an address on which kubectl says that it listens.
var listening = regexp.MustCompile(`127\.0\.0\.1:\d+`)

// Listen starts a kubectl that listens on this machine and says where in its first line, as proxy and port-forward do. It
// ends with the context, or when end is called, which returns when it is gone and may be called again.
func (c *Cluster) Listen(ctx context.Context, args ...string) (address string, end func(), err error) {
	ctx, cancel := context.WithCancel(ctx)
	cmd := c.Command(ctx, "kubectl", args...)
	said, saying := io.Pipe()
	var complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = saying, &complaint
	if err := cmd.Start(); err != nil {
		cancel()
		return "", nil, fmt.Errorf("starting kubectl %s: %w", strings.Join(args, " "), err)
	}
	ended := make(chan struct{})
	go func() {
		saying.CloseWithError(cmp.Or(cmd.Wait(), io.EOF))
		close(ended)
	}()
	end = func() { cancel(); <-ended }
	lines := bufio.NewReader(said)
	line, err := lines.ReadString('\n')
	go io.Copy(io.Discard, lines) // whatever else it says, until it ends
	if address = listening.FindString(line); address == "" {
		end()
		return "", nil, fmt.Errorf("starting kubectl %s: it said %q (%v), expected an address: %s", strings.Join(args, " "), line, err, strings.TrimSpace(complaint.String()))
	}
	return address, end, nil
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
