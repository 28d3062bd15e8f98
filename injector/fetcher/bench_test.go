package fetcher_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/airflow-secrets/airflow-secrets/injector/contract"
	"github.com/airflow-secrets/airflow-secrets/test/fakeaws"
)

// BenchmarkFetch is a whole run against a fake AWS in this process that takes 20 ms a call. Beside the time it reports
// round-trips: the time in units of one call, which is what the code decides and the machine does not, and calls.
func BenchmarkFetch(b *testing.B) {
	const latency = 20 * time.Millisecond
	for _, bench := range []struct {
		read           contract.Read
		secrets, bytes int
	}{
		{contract.ReadBatch, 40, 100},
		{contract.ReadAuto, 40, 100},
		{contract.ReadSingle, 40, 100},
		{contract.ReadAuto, 1000, 1024},
		{contract.ReadSingle, 1000, 1024},
	} {
		b.Run(fmt.Sprintf("%s/secrets=%d/bytes=%d", bench.read, bench.secrets, bench.bytes), func(b *testing.B) {
			p := newPod(b)
			p.config.Read = bench.read
			for i := range bench.secrets {
				kind := []string{"connections", "variables"}[i%2]
				p.put(fmt.Sprintf("airflow/%s/a-secret-%d", kind, i), "http://"+strings.Repeat("x", bench.bytes-len("http://")))
			}
			p.aws.Order(fakeaws.Trouble{Latency: latency})
			p.aws.Forget()
			for b.Loop() {
				if err := p.run(b); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed())/float64(b.N)/float64(latency), "round-trips/op")
			b.ReportMetric(float64(len(p.aws.Requests()))/float64(b.N), "calls/op")
		})
	}
}
