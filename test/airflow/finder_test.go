package airflow

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/injector/fetcher/airflowcfg"
	"github.com/airflow-secrets/airflow-secrets/test/inputs"
)

// TestFindsTheBackendAsAirflow holds what contract.Finder finds in many configurations to what Airflow makes of them: the
// same class, or none, with the same keyword arguments. What may differ stands in finderReasons.
func TestFindsTheBackendAsAirflow(t *testing.T) {
	ctx, cancel := untilDeadline(t)
	defer cancel()
	for _, v := range chosenVersions(t) {
		t.Run(v.Name, func(t *testing.T) {
			answers := v.askForBackends(ctx, t)
			outcomes := inputs.Try(t, func(input []byte) (string, error) {
				return holdToAirflow(v, generateConfiguration(input), answers[string(input)])
			})
			checkFinderOutcomes(t, v, outcomes)
		})
	}
}

// holdToAirflow compares with each parser of this Airflow. The outcome is that of the first.
func holdToAirflow(v version, c configuration, answers []backendAnswer) (outcome string, err error) {
	if len(answers) == 0 {
		return "", errors.New("Airflow gave no answer")
	}
	for i, a := range answers {
		told, err := verdict(v, c, a)
		if err != nil {
			return "", err
		}
		if i == 0 {
			outcome = told
		}
	}
	return outcome, nil
}

// verdict is that both are the same, or the reason why they need not be.
func verdict(v version, c configuration, a backendAnswer) (outcome string, err error) {
	found, err := c.find()
	var why *contract.Error
	switch {
	case err != nil && !errors.As(err, &why):
		return "", fmt.Errorf("the error has no code: %w", err)
	case (why != nil && why.Code == contract.MultiTeam) != (a.Teams != nil && *a.Teams):
		return "", fmt.Errorf("%s\ncame to %+v, %v; of core.multi_team Airflow says %s", c, found, err, a)
	case err == nil && slices.ContainsFunc(c.classes(), isForeign):
		return "", fmt.Errorf("%s\ncame to %+v, expected another backend to be refused", c, found)
	case err == nil && a.is(found) && found.Name == "":
		return "the same: none", nil
	case err == nil && a.is(found):
		return "the same: the one of " + found.Name, nil
	}
	for _, r := range finderReasons() {
		if r.version(v.Name) && r.fits(v, c, why, a) {
			return r.what, nil
		}
	}
	return "", fmt.Errorf("%s\ncame to %+v, %v; Airflow comes to %s", c, found, err, a)
}

// find does what the fetcher does (places of injector/fetcher/configure.go).
func (c configuration) find() (contract.Backend, error) {
	inEnv := contract.InEnv(func(name string) (string, bool) { value, ok := c.env[name]; return value, ok })
	places := []contract.Lookup{func(section, option string) (value, name string, err error) {
		value, name, _ = inEnv(section, option)
		if err := airflowcfg.SelfContained(value); err != nil {
			return "", name, &contract.Error{Code: contract.InvalidKwargs, Detail: name, Err: err}
		}
		return value, name, nil
	}}
	if text := c.text(); text != nil {
		file, err := airflowcfg.Parse(*text)
		if err != nil {
			return contract.Backend{}, err
		}
		places = append(places, func(section, option string) (value, name string, err error) {
			value, ok, err := file.Get(section, option)
			name = fmt.Sprintf("[%s] %s", section, option)
			switch {
			case err != nil:
				return "", name, &contract.Error{Code: contract.InvalidConfigFile, Detail: name, Err: err}
			case !ok:
				return "", "", nil
			}
			return value, name, nil
		})
	}
	return contract.Finder{Places: places, Env: c.env, Workers: c.workers}.Find()
}

func (c configuration) String() string {
	file := "none"
	if text := c.text(); text != nil {
		file = strconv.Quote(*text)
	}
	return fmt.Sprintf("environment %q, airflow.cfg %s, where tasks run: %t", c.env, file, c.workers)
}

// backendAnswer is what Airflow makes of a configuration (finder_reader.py).
type backendAnswer struct {
	Class  string
	Kwargs map[string]any
	Failed string
	Teams  *bool
	Asked  bool
}

func (a backendAnswer) String() string {
	text, _ := json.Marshal(a)
	return string(text)
}

// is says whether Airflow has come to the same. LocalFilesystemBackend is none to take over.
func (a backendAnswer) is(found contract.Backend) bool {
	switch {
	case a.Failed != "":
		return false
	case a.Class == awsBackend:
		return found.Name != "" && reflect.DeepEqual(a.Kwargs, marked(found.Kwargs))
	}
	return found.Name == "" && (a.Class == "" || a.Class == localBackend)
}

// marked writes a JSON value as finder_reader.py does: Python tells an integer from another number, and knows all digits
// of the one and 64 bits of the other.
func marked(value any) any {
	switch value := value.(type) {
	case map[string]any:
		all := map[string]any{}
		for name, member := range value {
			all[name] = marked(member)
		}
		return all
	case []any:
		all := []any{"list"}
		for _, item := range value {
			all = append(all, marked(item))
		}
		return all
	case json.Number:
		if integer, ok := new(big.Int).SetString(value.String(), 10); ok {
			return []any{"int", integer.String()}
		}
		number, _ := strconv.ParseFloat(value.String(), 64) // what is too large becomes infinite
		return []any{"float", bits(number)}
	}
	return value
}

func bits(number float64) string { return fmt.Sprintf("%016x", math.Float64bits(number)) }

// askForBackends puts all configurations to one process of Airflow, and gives its answers by their inputs.
func (v version) askForBackends(ctx context.Context, t *testing.T) map[string][]backendAnswer {
	t.Helper()
	folder := t.TempDir()
	jobFile, answerFile := filepath.Join(folder, "job.jsonl"), filepath.Join(folder, "answers.jsonl")
	asked := writeConfigurations(t, jobFile)
	if err := v.Run(ctx, v.install(ctx, t), nil, "finder_reader.py", jobFile, answerFile); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(answerFile)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	answers := map[string][]backendAnswer{}
	decoder := json.NewDecoder(file)
	for _, input := range asked {
		var a []backendAnswer
		if err := decoder.Decode(&a); err != nil {
			t.Fatalf("reading what Airflow answers: %v", err)
		}
		answers[input] = a
	}
	return answers
}

// writeConfigurations writes what the inputs make into a file, a line each, and gives the inputs in that order.
func writeConfigurations(t *testing.T, path string) (asked []string) {
	t.Helper()
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var one sync.Mutex
	buffered := bufio.NewWriter(file)
	encoder := json.NewEncoder(buffered)
	inputs.Try(t, func(input []byte) (string, error) {
		one.Lock()
		defer one.Unlock()
		c := generateConfiguration(input)
		asked = append(asked, string(input))
		return "to ask Airflow about", encoder.Encode(map[string]any{"env": c.env, "file": c.text(), "workers": c.workers})
	})
	if err := buffered.Flush(); err != nil {
		t.Fatal(err)
	}
	return asked
}

// checkFinderOutcomes expects every reason to be met, and each of the places to have had the backend.
func checkFinderOutcomes(t *testing.T, v version, outcomes map[string]int) {
	t.Helper()
	expected := []string{"none", "the one of AIRFLOW__SECRETS__BACKEND", "the one of [secrets] backend"}
	if !airflow2(v.Name) {
		expected = append(expected, "the one of AIRFLOW__WORKERS__SECRETS_BACKEND", "the one of [workers] secrets_backend")
	}
	all, same := 0, 0
	for outcome, n := range outcomes {
		all += n
		if strings.HasPrefix(outcome, "the same: ") {
			same += n
		}
	}
	if all < 1000 {
		return
	}
	for i := range expected {
		expected[i] = "the same: " + expected[i]
	}
	for _, r := range finderReasons() {
		if r.version(v.Name) {
			expected = append(expected, r.what)
		}
	}
	for _, outcome := range slices.DeleteFunc(expected, func(outcome string) bool { return outcomes[outcome] > 0 }) {
		t.Errorf("no configuration came to %q", outcome)
	}
	if 3*same < all {
		t.Errorf("%d of %d configurations came to the same, expected a third at least: the others prove less", same, all)
	}
}
