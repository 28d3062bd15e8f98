package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/injector/fetcher"
)

// checked is what came of a check, and what -o json prints.
type checked struct {
	Code     contract.Code    `json:"code"`
	Sentence string           `json:"sentence"`
	Notes    []string         `json:"notes"` // where this process differs from the pod
	Accounts []askedAccount   `json:"accounts"`
	Report   *contract.Report `json:"report"` // null unless the pod would start
	Calls    map[string]int   `json:"calls"`  // operation → how often
	KMSKeys  []string         `json:"kmsKeys"`
	// DollarsPerPod is what the calls to Secrets Manager cost each pod that starts.
	DollarsPerPod float64 `json:"dollarsPerPod"`
}

// askedAccount is who asked where.
type askedAccount struct {
	Name    string `json:"name"`
	Account string `json:"account,omitempty"`
	Region  string `json:"region,omitempty"`
	As      string `json:"as"`
}

// pricePerCall is Secrets Manager's, in dollars (aws.amazon.com/secrets-manager/pricing: 0.05 for 10,000 API calls). STS is
// free.
const pricePerCall = 0.05 / 10_000

// freeCalls are those of STS.
var freeCalls = []string{"AssumeRole", "AssumeRoleWithWebIdentity", "GetCallerIdentity"}

// add takes over what AWS was asked, and what it told of the accounts.
func (f *checked) add(result fetcher.Result) {
	f.Calls, f.KMSKeys = result.Found.Calls, result.Found.Keys
	for operation, n := range f.Calls {
		if !slices.Contains(freeCalls, operation) {
			f.DollarsPerPod += float64(n) * pricePerCall
		}
	}
	for i := range f.Accounts {
		for _, a := range result.Found.Accounts {
			if a.Name == f.Accounts[i].Name {
				f.Accounts[i].Account, f.Accounts[i].Region = a.ID, cmp.Or(a.Region, f.Accounts[i].Region)
			}
		}
	}
}

func (f checked) printJSON(w io.Writer, _ bool) error {
	f.Notes, f.KMSKeys = append([]string{}, f.Notes...), append([]string{}, f.KMSKeys...) // [] and not null
	if f.Calls == nil {
		f.Calls = map[string]int{}
	}
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(f)
}

// print tells the outcome first, then what is behind it.
func (f checked) print(w io.Writer, verbose bool) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n\n", f.Code, f.Sentence)
	for _, a := range f.Accounts {
		where := cmp.Or(a.Region, "no region")
		if a.Account != "" {
			where += " of account " + a.Account
		}
		fmt.Fprintf(&b, "asked      %s, as %s\n", where, a.As)
	}
	list(&b, "note", f.Notes)
	if f.Report != nil {
		f.printReport(&b, verbose)
	}
	list(&b, "KMS key", f.KMSKeys)
	f.printCalls(&b)
	_, err := io.WriteString(w, b.String())
	return err
}

func (f checked) printReport(b *strings.Builder, verbose bool) {
	r := f.Report
	fmt.Fprintf(b, "delivered  connections %d, variables %d, files %d\n", len(r.Connections), len(r.Variables), len(r.Files))
	if verbose {
		for _, kind := range []struct {
			name contract.Kind
			all  []contract.Delivered
		}{{contract.Connections, r.Connections}, {contract.Variables, r.Variables}, {contract.Files, r.Files}} {
			for _, d := range kind.all {
				fmt.Fprintf(b, "           %s %s\n", kind.name, d.ID)
			}
		}
	}
	for _, l := range r.LeftOut {
		fmt.Fprintf(b, "left out   %s %s (%s): %s\n", l.Kind, l.ID, l.Code, l.Sentence)
	}
	for _, hidden := range r.Collisions {
		fmt.Fprintf(b, "hidden     %s %s: %s hides %s\n", hidden.Kind, hidden.ID, hidden.Used, hidden.Hidden)
	}
	list(b, "warning", r.Warnings)
}

func (f checked) printCalls(b *strings.Builder) {
	if len(f.Calls) == 0 {
		return
	}
	var calls []string
	for _, operation := range slices.Sorted(maps.Keys(f.Calls)) {
		calls = append(calls, fmt.Sprintf("%s %d", operation, f.Calls[operation]))
	}
	fmt.Fprintf(b, "calls      %s\n", strings.Join(calls, ", "))
	fmt.Fprintf(b, "price      $%.6f for each pod that starts, $%.2f for 1,000 of them\n", f.DollarsPerPod, 1000*f.DollarsPerPod)
}

// list prints a line for each text, under one title.
func list(b *strings.Builder, title string, texts []string) {
	for _, text := range texts {
		fmt.Fprintf(b, "%-10s %s\n", title, text)
	}
}
