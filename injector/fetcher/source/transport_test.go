package source

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// sdkBody is a request's body as the SDK makes it: once it is closed, WriteTo fails with io.EOF. It waits with that for
// the server to have begun its answer, which is when the SDK closes it.
type sdkBody struct {
	io.Reader
	answering chan struct{}
}

func (b sdkBody) Close() error { return nil }

func (b sdkBody) WriteTo(io.Writer) (int64, error) {
	<-b.answering
	return 0, io.EOF
}

func TestABodyClosedEarlyDoesNotBreakTheAnswer(t *testing.T) {
	for range 10 { // whether the connection breaks before the answer is read is a race
		askAndCloseEarly(t)
	}
}

func askAndCloseEarly(t *testing.T) {
	t.Helper()
	const question, answer = "question", "answer"
	body := sdkBody{Reader: strings.NewReader(question), answering: make(chan struct{})}
	whole := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		io.WriteString(w, answer[:1])
		http.NewResponseController(w).Flush()
		close(body.answering)
		select {
		case <-whole:
			io.WriteString(w, answer[1:])
		case <-r.Context().Done():
		}
	}))
	defer server.Close()
	client := http.Client{Transport: bounded{&http.Transport{}}}
	defer client.CloseIdleConnections()

	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, body)
	if err != nil {
		t.Fatal(err)
	}
	request.ContentLength = int64(len(question))
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	start := make([]byte, 1)
	io.ReadFull(response.Body, start)
	close(whole)
	rest, err := io.ReadAll(response.Body)
	if got := string(start) + string(rest); err != nil || got != answer {
		t.Errorf("the answer is %q, %v, expected %q", got, err, answer)
	}
}
