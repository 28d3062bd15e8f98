package fetcher

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/injector/fetcher/airflow"
	"github.com/airflow-secrets/airflow-secrets/injector/fetcher/secret"
	"github.com/airflow-secrets/airflow-secrets/injector/fetcher/source"
)

// convert makes what the folders are to hold of what was found, and the report of what became of each secret. It fails if that is not what the
// configuration allows, and then the report says how far it came. It forgets each value as it goes: the container's memory has no room for all of them twice.
func convert(setup Setup, found source.Found) ([]delivery, contract.Report, error) {
	c := converter{
		readings: readings(setup.Accounts),
		entries:  map[contract.Kind]map[string]secret.Value{contract.Connections: {}, contract.Variables: {}},
		files:    map[string][]byte{},
		leftOut:  found.LeftOut,
		report:   contract.NewReport(),
	}
	if setup.Deliver == contract.DeliverEnv {
		c.env = newEnvironment(setup)
	}
	c.report.Collisions = append(c.report.Collisions, found.Collisions...)
	c.report.Warnings = append(c.report.Warnings, found.Warnings...)
	warning, err := nothingFound(setup, found)
	if err != nil {
		return nil, c.report, err
	}
	if warning != "" {
		c.report.Warnings = append(c.report.Warnings, warning)
	}
	if err := c.env.checkNames(found); err != nil {
		return nil, c.report, err
	}
	for i := range found.Secrets {
		if err := c.add(&found.Secrets[i]); err != nil {
			return nil, c.report, err
		}
	}
	for _, l := range c.leftOut {
		if c.report.Delivers(l.Kind, l.ID) {
			l.Sentence += ": that of the other account is delivered instead"
		}
		c.report.LeftOut = append(c.report.LeftOut, l.LeftOut)
	}
	slices.SortStableFunc(c.report.LeftOut, func(a, b contract.LeftOut) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.ID, b.ID))
	})
	deliveries, err := c.deliveries(setup)
	if err := judge(setup.Config, c.leftOut); err != nil {
		return nil, c.report, err
	}
	return deliveries, c.report, err
}

// deliveries are the folders as they are to be, once everything is added.
func (c *converter) deliveries(setup Setup) ([]delivery, error) {
	first := delivery{directory: setup.Directory, mode: fs.FileMode(setup.FileMode), files: c.files}
	if c.env == nil {
		c.files[contract.ConnectionsFile] = airflow.File(c.entries[contract.Connections])
		c.files[contract.VariablesFile] = airflow.File(c.entries[contract.Variables])
		return []delivery{first}, nil
	}
	c.report.Warnings = append(c.report.Warnings, c.env.warnings()...)
	text, err := c.env.file()
	second := delivery{
		directory: setup.ExecDirectory, mode: first.mode, program: setup.program, files: map[string][]byte{contract.EnvFile: text},
	}
	return []delivery{first, second}, err
}

// readings maps the names of accounts to how their connections are to be read.
func readings(accounts []contract.Account) map[string]airflow.Reading {
	all := map[string]airflow.Reading{}
	for _, a := range accounts {
		all[a.Name] = airflow.Reading{Words: a.ConnectionWords, URLEncoded: a.URLEncoded}
	}
	return all
}

// converter is the state of a conversion.
type converter struct {
	readings map[string]airflow.Reading
	entries  map[contract.Kind]map[string]secret.Value // kind → id → token of Airflow's file
	env      *environment                              // what becomes environment variables; nil: nothing
	files    map[string][]byte
	leftOut  []source.LeftOut
	report   contract.Report
	size     int // of what will be written, in bytes
}

// add converts one secret and forgets its value. It fails only where there is too much.
func (c *converter) add(s *source.Secret) error {
	entry, err := c.convert(*s)
	s.Value = secret.Value{}
	if err != nil {
		c.leftOut = append(c.leftOut, source.LeftOut{
			LeftOut: contract.LeftOut{Kind: s.Kind, ID: s.ID, Code: codeOf(err), Sentence: err.Error()}, Asked: s.Asked})
		return nil
	}
	if c.size += len(s.ID) + entry.Len(); c.size > contract.MaxWrittenBytes {
		return tooLarge(c.size)
	}
	c.deliver(s, entry)
	return nil
}

// deliver gives the entry its place, in the report as well.
func (c *converter) deliver(s *source.Secret, entry secret.Value) {
	delivered := contract.Delivered{ID: s.ID, ARN: s.ARN, Account: s.Account}
	switch s.Kind {
	case contract.Connections:
		c.report.Connections = append(c.report.Connections, delivered)
	case contract.Variables:
		c.report.Variables = append(c.report.Variables, delivered)
	case contract.Options:
		c.report.Config = append(c.report.Config, delivered)
		if c.env.leaves(s.ID) {
			c.files[path.Join(contract.OptionsDirectory, s.ID)] = []byte(entry.Unwrap())
		}
	case contract.Files:
		c.report.Files = append(c.report.Files, delivered)
		c.files[path.Join(contract.FilesDirectory, s.ID)] = []byte(entry.Unwrap())
	}
	if c.env != nil {
		c.env.add(s.Kind, s.ID, entry)
	} else if entries := c.entries[s.Kind]; entries != nil {
		entries[s.ID] = entry
	}
}

func (c *converter) convert(s source.Secret) (secret.Value, error) {
	if c.env != nil {
		return c.env.convert(s, c.readings[s.Account])
	}
	switch s.Kind {
	case contract.Connections:
		return airflow.Connection(s.Value, c.readings[s.Account])
	case contract.Variables:
		return airflow.Variable(s.Value)
	case contract.Options:
		return airflow.Option(s.Value)
	case contract.Files:
		return s.Value, nil
	}
	return secret.Value{}, fmt.Errorf("converting a secret of kind %q, which there is not", s.Kind)
}

// judge says whether the run may go on without what is left out.
//
// A secret that was discovered is only named, unless on-invalid says otherwise: one bad secret never breaks the others. A
// secret that was asked for by name fails the run, unless on-missing or on-invalid says otherwise; whoever may not read
// what he asks for has to change the one or the other.
func judge(c contract.Config, leftOut []source.LeftOut) error {
	failures := map[contract.Code][]string{}
	for _, l := range leftOut {
		if code := fails(c, l); code != "" {
			failures[code] = append(failures[code], fmt.Sprintf("%s %s (%s: %s)", l.Kind, l.ID, l.Code, l.Sentence))
		}
	}
	for _, code := range []contract.Code{contract.IDsUnusable, contract.IDsMissing, contract.ValuesInvalid} {
		if all := failures[code]; len(all) > 0 {
			slices.Sort(all)
			return &contract.Error{Code: code, Detail: strings.Join(all, "; ")}
		}
	}
	return nil
}

// fails gives the outcome of a run that must not go on without a secret, or nothing.
//
// An option always has to be there: Airflow raises where the command that gives it fails.
func fails(c contract.Config, l source.LeftOut) contract.Code {
	if l.Kind == contract.Options {
		c.OnMissing, c.OnInvalid = "", ""
	}
	switch l.Code {
	case contract.SecretMissing, contract.SecretBeingDeleted:
		if l.Asked && c.OnMissing != contract.Warn {
			return contract.IDsMissing
		}
	case contract.SecretMalformed, contract.SecretEmpty, contract.SecretBinary, contract.SecretNoID, contract.SecretUnfit:
		if c.OnInvalid == contract.Fail {
			return contract.ValuesInvalid
		}
		if l.Asked && c.OnInvalid != contract.Warn {
			return contract.IDsUnusable
		}
	default: // denied, undecryptable, refused
		if l.Asked {
			return contract.IDsUnusable
		}
	}
	return ""
}

// nothingFound fails a run that has nothing to deliver, or gives a warning where that is allowed: by on-empty, and where the
// settings are those that a backend had, since a team may have named its prefix before its first secret.
func nothingFound(setup Setup, found source.Found) (warning string, err error) {
	if len(found.Secrets)+len(found.LeftOut) > 0 || found.Looked == "" {
		return "", nil
	}
	nothing := &contract.Error{Code: contract.NothingFound, Detail: "looked for " + found.Looked}
	if setup.OnEmpty == contract.Warn || setup.OnEmpty == "" && setup.byKwargs() {
		return nothing.Error(), nil
	}
	return "", nothing
}

// byKwargs says whether the prefixes are those that a backend has had, and not all of them an annotation's.
func (s Setup) byKwargs() bool {
	decided := func(setting string) bool { return slices.Contains(s.TakeOver.Decided, setting) }
	return s.Former.Name != "" && !(decided("connections-prefix") && decided("variables-prefix"))
}

// codeOf is the outcome that err stands for.
func codeOf(err error) contract.Code {
	var e *contract.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return contract.Internal
}
