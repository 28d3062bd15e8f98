package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
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
	Deliver  contract.Deliver `json:"deliver"`
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
	paid := 0
	for operation, n := range f.Calls {
		if !slices.Contains(freeCalls, operation) {
			paid += n
		}
	}
	f.DollarsPerPod = math.Round(float64(paid)*pricePerCall*1e9) / 1e9 // no more digits than there are
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
		fmt.Fprintf(&b, "asked      %s, as %s\n", a.where(), a.As)
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

func (a askedAccount) where() string {
	where, account := cmp.Or(a.Region, "no region"), "account"
	if a.Name == contract.SharedAccount {
		account = "the shared account"
	}
	if a.Account != "" {
		where += " of " + account + " " + a.Account
	}
	return where
}

func (f checked) printReport(b *strings.Builder, verbose bool) {
	r := f.Report
	fmt.Fprintf(b, "delivered  connections %d, variables %d, files %d", len(r.Connections), len(r.Variables), len(r.Files))
	if len(r.Config) > 0 {
		fmt.Fprintf(b, ", options %d", len(r.Config))
	}
	if f.Deliver == contract.DeliverEnv {
		b.WriteString(", as environment variables")
	}
	b.WriteByte('\n')
	f.printShared(b)
	if verbose {
		printDelivered(b, r)
	}
	lost := f.lost()
	for _, l := range r.LeftOut {
		switch {
		case slices.Contains(lost, l):
			fmt.Fprintf(b, "left out   %s %s (%s): %s\n", l.Kind, l.ID, l.Code, l.Sentence)
		case l.Code != contract.SecretMissing: // in one's own account it need not be
			fmt.Fprintf(b, "skipped    %s %s (%s), for the shared one: %s\n", l.Kind, l.ID, l.Code, l.Sentence)
		}
	}
	for _, hidden := range r.Collisions {
		fmt.Fprintf(b, "hidden     %s %s: %s hides %s\n", hidden.Kind, hidden.ID, hidden.Used, hidden.Hidden)
	}
	list(b, "warning", r.Warnings)
}

// lost is what was left out and does not come from another account.
func (f checked) lost() []contract.LeftOut {
	delivered := map[contract.Kind][]contract.Delivered{contract.Connections: f.Report.Connections, contract.Variables: f.Report.Variables, contract.Options: f.Report.Config}
	return slices.DeleteFunc(slices.Clone(f.Report.LeftOut), func(l contract.LeftOut) bool {
		return slices.ContainsFunc(delivered[l.Kind], func(d contract.Delivered) bool { return d.ID == l.ID })
	})
}

// printShared tells how much of it the shared account has given, if there is one.
func (f checked) printShared(b *strings.Builder) {
	if !slices.ContainsFunc(f.Accounts, func(a askedAccount) bool { return a.Name == contract.SharedAccount }) {
		return
	}
	n := 0
	for _, d := range slices.Concat(f.Report.Connections, f.Report.Variables, f.Report.Config) {
		if d.Account == contract.SharedAccount {
			n++
		}
	}
	fmt.Fprintf(b, "           %d of them from the shared account\n", n)
}

func printDelivered(b *strings.Builder, r *contract.Report) {
	for _, kind := range []struct {
		name contract.Kind
		all  []contract.Delivered
	}{{contract.Connections, r.Connections}, {contract.Variables, r.Variables}, {contract.Options, r.Config}, {contract.Files, r.Files}} {
		for _, d := range kind.all {
			from := ""
			if d.Account == contract.SharedAccount {
				from = " (shared)"
			}
			fmt.Fprintf(b, "           %s %s%s\n", kind.name, d.ID, from)
		}
	}
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
