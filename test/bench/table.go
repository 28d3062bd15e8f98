package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// printHead says what all tables have in common.
func printHead(out io.Writer, s settings, stores []*store) {
	fmt.Fprintf(out, `What it costs Airflow to look a connection up

first      the first look-up of a process that has imported what a task's process
           has before the code of a DAG runs; those imports are told apart
next       each of the %d look-ups after it
miss       one that the first backend cannot answer, in that backend alone
of it AWS  what the fake AWS took: one call, made to take %s
ratio      to SecretsManagerBackend, AWS included

Time is the processor's, so that a busy machine does not show, plus what AWS took.
Medians of %d processes, or of as many as could start within %s.

`, s.lookUps, s.latency, s.processes, s.limit)
	for _, store := range stores {
		fmt.Fprintf(out, "Our init container fetched %4d connections in %s.\n", store.size, rounded(store.fetched))
	}
}

// printTable prints what the ways took in one release. The last way is the baseline.
func printTable(out io.Writer, of *scene) {
	var imports []string
	for i, w := range of.ways {
		imports = append(imports, fmt.Sprintf("%s %s", w.name, rounded(of.measured[i].imports)))
	}
	fmt.Fprintf(out, "\nAirflow %s, imports: %s\n\n", of.release, strings.Join(imports, ", "))
	fmt.Fprintf(out, "%-12s %-22s %9s %6s %9s %6s %9s %6s\n", "connections", "by", "first", "ratio", "next", "ratio", "miss", "ratio")
	for i, store := range of.stores {
		size := fmt.Sprint(store.size)
		baseline := of.measured[len(of.measured)-1].sizes[i]
		for j, w := range of.ways {
			f := of.measured[j].sizes[i]
			fmt.Fprintf(out, "%-12s %-22s %s %s %s\n", size, w.name,
				compared(f.first, baseline.first), compared(f.next, baseline.next), compared(f.missing, baseline.missing))
			size = ""
		}
		fmt.Fprintf(out, "%-12s %-22s %9s %6s %9s %6s %9s\n", "", "  of it AWS",
			rounded(median(baseline.firstAWS)), "", rounded(median(baseline.nextAWS)), "", rounded(median(baseline.missingAWS)))
	}
}

// compared is a median and its ratio to the baseline's.
func compared(durations, baseline []time.Duration) string {
	ratio := float64(median(durations)) / float64(median(baseline))
	text := fmt.Sprintf("%.2f", ratio)
	switch {
	case ratio < 0.01:
		text = "<0.01"
	case ratio >= 10:
		text = fmt.Sprintf("%.0f", ratio)
	}
	return fmt.Sprintf("%9s %6s", rounded(median(durations)), text)
}

func median(durations []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(durations))
	return sorted[len(sorted)/2]
}

// rounded prints a duration to about three digits, in milliseconds or seconds, so that rows can be read down.
func rounded(d time.Duration) string {
	switch milliseconds := float64(d) / float64(time.Millisecond); {
	case milliseconds < 0.1:
		return fmt.Sprintf("%.3f ms", milliseconds)
	case milliseconds < 10:
		return fmt.Sprintf("%.2f ms", milliseconds)
	case milliseconds < 1000:
		return fmt.Sprintf("%.0f ms", milliseconds)
	case milliseconds < 10_000:
		return fmt.Sprintf("%.2f s", milliseconds/1000)
	}
	return fmt.Sprintf("%.0f s", float64(d)/float64(time.Second))
}
