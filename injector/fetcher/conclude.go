package fetcher

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
)

// logStart says what the run is about to do.
func logStart(log *slog.Logger, version string, s Setup) {
	log.Info("fetching secrets", slog.String("version", version), slog.String("directory", s.Directory),
		slog.Any("accounts", told(s.Accounts)), slog.String("read", string(s.Read)), slog.String("timeout", time.Duration(s.Timeout).String()))
	if s.Former.Name != "" {
		log.Info("the settings are those of the pod's backend", slog.String("backend", s.Former.Name),
			slog.String("kwargs", s.Former.KwargsName), slog.Any("names", slices.Sorted(maps.Keys(s.Former.Kwargs))))
	}
}

// told are the accounts as the log has them: nothing that may have come from a Secret and is more than a name.
func told(accounts []contract.Account) []map[string]any {
	var all []map[string]any
	for _, a := range accounts {
		account := map[string]any{"name": a.Name, "region": a.Region, "ownEndpoint": a.EndpointURL != ""}
		for _, k := range a.Kinds() {
			account[string(k.Kind)] = map[string]any{"under": k.SecretPrefix(a.Separator), "ids": k.IDs, "pattern": k.Pattern}
		}
		if a.ID != "" {
			account["id"] = a.ID
		}
		if a.Role != nil {
			account["role"] = a.Role.ARN
		}
		all = append(all, account)
	}
	return all
}

// conclude tells the run's end in the log, on stderr and in the termination message.
func conclude(o Options, log *slog.Logger, report contract.Report, err error, took time.Duration) {
	for _, warning := range report.Warnings {
		log.Warn(warning)
	}
	for _, l := range report.LeftOut {
		what := "a secret was left out"
		if report.Delivers(l.Kind, l.ID) {
			what = "a secret was passed over"
		}
		log.Warn(what, slog.String("code", string(l.Code)), slog.String("kind", string(l.Kind)),
			slog.String("id", l.ID), slog.String("sentence", l.Sentence))
	}
	message := lastWord(report, err)
	level, text := slog.LevelInfo, contract.Fetched.Sentence()
	if err != nil {
		level, text = slog.LevelError, oneLine(err.Error())
	}
	log.Log(context.Background(), level, text, slog.String("code", string(outcome(err))),
		slog.Int("connections", len(report.Connections)), slog.Int("variables", len(report.Variables)),
		slog.Int("config", len(report.Config)), slog.Int("files", len(report.Files)), slog.Int("leftOut", len(report.LeftOut)), slog.String("duration", took.Round(time.Millisecond).String()))
	fmt.Fprintln(o.Stderr, message)
	writeTerminationLog(o.TerminationLog, message)
}

// panicked makes a failure of a panic. Of its cause only what the runtime says is told: any other value may hold a part
// of a secret.
func panicked(cause any, log *slog.Logger) error {
	text := fmt.Sprintf("a %T", cause)
	if err, ok := cause.(runtime.Error); ok {
		text = err.Error()
	}
	log.Error("panic while fetching", slog.String("cause", text), slog.String("stack", string(debug.Stack())))
	return &contract.Error{Code: contract.Internal, Detail: "please report this panic with the log of the container: " + text}
}

// outcome is the code of a run.
func outcome(err error) contract.Code {
	if err == nil {
		return contract.Fetched
	}
	return codeOf(err)
}

// lastWord is what people see of a run in the pod's status: one line, the code first, the worst first, at most
// maxLastWord bytes.
func lastWord(report contract.Report, err error) string {
	if err != nil {
		return shorten(fmt.Sprintf("%s: %s", codeOf(err), err))
	}
	parts := []string{fmt.Sprintf("%s: connections %d, variables %d", contract.Fetched, len(report.Connections), len(report.Variables))}
	for _, more := range []struct {
		kind  contract.Kind
		count int
	}{{contract.Options, len(report.Config)}, {contract.Files, len(report.Files)}} {
		if more.count > 0 {
			parts[0] += fmt.Sprintf(", %s %d", more.kind, more.count)
		}
	}
	parts = append(parts, leftOut(report)...)
	return shorten(strings.Join(append(parts, report.Warnings...), "; "))
}

// leftOut says what Airflow does not get, and then what it gets from another account than the first that has it.
func leftOut(report contract.Report) []string {
	var missed, passedOver []string
	for _, l := range report.LeftOut {
		text := fmt.Sprintf("%s %s (%s)", l.Kind, l.ID, l.Code)
		if report.Delivers(l.Kind, l.ID) {
			passedOver = append(passedOver, text)
		} else {
			missed = append(missed, text)
		}
	}
	var parts []string
	if len(missed) > 0 {
		parts = append(parts, fmt.Sprintf("left out %d: %s", len(missed), strings.Join(missed, ", ")))
	}
	if len(passedOver) > 0 {
		parts = append(parts, fmt.Sprintf("passed over %d for those of the other account: %s", len(passedOver), strings.Join(passedOver, ", ")))
	}
	return parts
}

// maxLastWord is a quarter of the most that Kubernetes keeps of a container's termination message: a pod has room for
// 12 KiB of all of them, and events and tables show one line.
const maxLastWord = 1024

// shorten makes a text one line of at most maxLastWord bytes.
func shorten(text string) string {
	const more = "..."
	text = oneLine(text)
	if len(text) <= maxLastWord {
		return text
	}
	end := maxLastWord - len(more)
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + more
}

// oneLine replaces what would break a line, or a terminal.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, text)
}

// writeTerminationLog never creates the file: outside a pod there is none, and nobody wants one. That it cannot be
// written is no reason to fail, since the message is on stderr as well.
func writeTerminationLog(path, message string) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return
	}
	defer file.Close()
	file.WriteString(message)
}
