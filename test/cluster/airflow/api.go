package airflow

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/airflow-secrets/airflow-secrets/test/cluster/command"
)

// api is the REST API of Airflow 3, reached through the Kubernetes API.
type api struct {
	url   string
	token string
}

var forwarding = regexp.MustCompile(`127\.0\.0\.1:\d+`)

// connect opens a way to the Service af-api-server, which closes as the context ends, and signs in.
func (p *place) connect(ctx context.Context) (*api, error) {
	forward := p.Command(ctx, "kubectl", "-n", p.namespace, "port-forward", "service/af-api-server", ":8080")
	output, err := forward.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := forward.Start(); err != nil {
		return nil, fmt.Errorf("forwarding a port: %w", err)
	}
	lines := bufio.NewReader(output)
	line, err := lines.ReadString('\n')
	address := forwarding.FindString(line)
	if address == "" {
		return nil, fmt.Errorf("forwarding a port: kubectl said %q (%v), expected an address", line, err)
	}
	go func() { // whatever else it says, until it ends
		io.Copy(io.Discard, lines)
		forward.Wait()
	}()
	a := &api{url: "http://" + address}
	var answer struct {
		Token string `json:"access_token"`
	}
	err = a.call(ctx, http.MethodGet, "/auth/token", nil, &answer) // without users, it is anybody's
	a.token = answer.Token
	return a, err
}

func (a *api) call(ctx context.Context, method, path string, body, into any) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return err
		}
		content = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, a.url+path, content)
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	if a.token != "" {
		request.Header.Set("Authorization", "Bearer "+a.token)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return fmt.Errorf("reading the answer to %s %s: %w", method, path, err)
	}
	if response.StatusCode >= 300 {
		return fmt.Errorf("calling %s %s: %s: %s", method, path, response.Status, text)
	}
	return json.Unmarshal(text, into)
}

// run is one run of a DAG.
type run struct {
	dag, id string
	started time.Time
}

// trigger starts a run, as soon as Airflow knows the DAG.
func (a *api) trigger(ctx context.Context, dag string) (run, error) {
	r := run{dag: dag, id: "e2e"}
	err := command.Until(ctx, time.Minute, func(ctx context.Context) error {
		return a.call(ctx, http.MethodGet, "/api/v2/dags/"+dag, nil, &struct{}{})
	})
	if err != nil {
		return r, fmt.Errorf("waiting for the DAG %s: %w", dag, err)
	}
	r.started = time.Now()
	body := map[string]any{"dag_run_id": r.id, "logical_date": nil} // the key must be there
	return r, a.call(ctx, http.MethodPost, "/api/v2/dags/"+dag+"/dagRuns", body, &struct{}{})
}

// finish waits for a run's end, which must be that state, and gives the time that it took.
func (a *api) finish(ctx context.Context, r run, want string) (time.Duration, error) {
	var found struct{ State string }
	err := command.Until(ctx, 2*time.Minute, func(ctx context.Context) error {
		if err := a.call(ctx, http.MethodGet, "/api/v2/dags/"+r.dag+"/dagRuns/"+r.id, nil, &found); err != nil {
			return err
		}
		if found.State != "success" && found.State != "failed" {
			return fmt.Errorf("the run of %s is %s, expected its end", r.dag, found.State)
		}
		return nil
	})
	took := time.Since(r.started)
	if err == nil && found.State != want {
		err = fmt.Errorf("the run of %s is %s, expected %s", r.dag, found.State, want)
	}
	return took, err
}

// audit is what the events of a name in Airflow's audit log say of a run.
func (a *api) audit(ctx context.Context, r run, event string) (string, error) {
	var found struct {
		EventLogs []struct{ Extra string } `json:"event_logs"`
	}
	query := url.Values{"dag_id": {r.dag}, "run_id": {r.id}, "event": {event}}
	if err := a.call(ctx, http.MethodGet, "/api/v2/eventLogs?"+query.Encode(), nil, &found); err != nil {
		return "", err
	}
	var said []string
	for _, e := range found.EventLogs {
		said = append(said, e.Extra)
	}
	return strings.Join(said, "\n"), nil
}
