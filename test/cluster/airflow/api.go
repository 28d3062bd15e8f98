package airflow

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/airflow-secrets/airflow-secrets/test/cluster/command"
)

// api is the REST API of Airflow 3, reached through the Kubernetes API.
type api struct {
	url   string
	token string
	close func() // the way to it
}

// connect opens a way to the Service af-api-server, which the caller closes, and signs in.
func (p *place) connect(ctx context.Context) (*api, error) {
	address, end, err := p.Listen(ctx, "-n", p.namespace, "port-forward", "service/af-api-server", ":8080")
	if err != nil {
		return nil, err
	}
	a := &api{url: "http://" + address, close: end}
	var answer struct {
		Token string `json:"access_token"`
	}
	if err := a.call(ctx, http.MethodGet, "/auth/token", nil, &answer); err != nil { // without users, it is anybody's
		end()
		return nil, err
	}
	a.token = answer.Token
	return a, nil
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
