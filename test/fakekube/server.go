// Package fakekube is as much of a Kubernetes API server as the webhook's certificates need: two kinds of objects, with
// resourceVersions, watches and JSON patches that behave as the real ones do.
package fakekube

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path"
	"strconv"
	"strings"
	"sync"

	jsonpatch "github.com/evanphx/json-patch/v5"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

// The collections that there are.
const (
	Secrets        = "/api/v1/namespaces/airflow/secrets"
	Configurations = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
)

// Server is the API server. Its methods are what an administrator does, and what may go wrong.
type Server struct {
	URL string

	http *httptest.Server
	// mutex guards what follows; changed is told of each change of it.
	mutex   sync.Mutex
	changed *sync.Cond
	version int
	objects map[string]*unstructured.Unstructured // by path
	history []event
	trouble func(*http.Request) int
	cut     int // grows with each cut of the watches
}

type event struct {
	version int
	path    string
	kind    string // ADDED, MODIFIED or DELETED
	object  json.RawMessage
}

// Start runs a server on a free port of 127.0.0.1 until Close.
func Start() *Server {
	s := &Server{version: 1, objects: map[string]*unstructured.Unstructured{}}
	s.changed = sync.NewCond(&s.mutex)
	s.http = httptest.NewServer(http.HandlerFunc(s.serve))
	s.URL = s.http.URL
	return s
}

// Close ends all watches and the server.
func (s *Server) Close() {
	s.CutWatches()
	s.http.CloseClientConnections()
	s.http.Close()
}

// Refuse answers each request for which code gives an HTTP status with that. nil: none.
func (s *Server) Refuse(code func(*http.Request) int) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.trouble = code
}

// CutWatches ends all watches that are open.
func (s *Server) CutWatches() {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.cut++
	s.changed.Broadcast()
}

// Get decodes the object at a path into a typed one. It says whether there is one.
func (s *Server) Get(at string, into any) (bool, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	object, ok := s.objects[at]
	if !ok {
		return false, nil
	}
	text, err := json.Marshal(object)
	if err != nil {
		return true, err
	}
	return true, json.Unmarshal(text, into)
}

// Put makes or replaces an object, whatever its version was.
func (s *Server) Put(at string, object any) error {
	text, err := json.Marshal(object)
	if err != nil {
		return err
	}
	u := &unstructured.Unstructured{}
	if err := json.Unmarshal(text, &u.Object); err != nil {
		return err
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.store(at, u)
	return nil
}

// Delete deletes the object at a path, if there is one.
func (s *Server) Delete(at string) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if object, ok := s.objects[at]; ok {
		delete(s.objects, at)
		s.note(at, "DELETED", object)
	}
}

// store takes in an object as it shall be.
func (s *Server) store(at string, object *unstructured.Unstructured) *unstructured.Unstructured {
	kind := "ADDED"
	object.SetUID(types.UID(fmt.Sprintf("uid-%d", s.version)))
	if before, ok := s.objects[at]; ok {
		kind = "MODIFIED"
		object.SetUID(before.GetUID())
	}
	s.objects[at] = object
	s.note(at, kind, object)
	return object
}

// note gives an object its version, and tells those who watch.
func (s *Server) note(at, kind string, object *unstructured.Unstructured) {
	s.version++
	object.SetResourceVersion(strconv.Itoa(s.version))
	text, err := json.Marshal(object)
	if err != nil {
		panic(err) // it was decoded from JSON
	}
	s.history = append(s.history, event{s.version, at, kind, text})
	s.changed.Broadcast()
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	s.mutex.Lock()
	trouble := s.trouble
	s.mutex.Unlock()
	if trouble != nil {
		if code := trouble(r); code != 0 {
			answer(w, code, "refused by the test")
			return
		}
	}
	switch {
	case r.Method == http.MethodGet && r.URL.Query().Get("watch") == "true":
		s.watch(w, r)
	case r.Method == http.MethodGet:
		s.list(w, r)
	case r.Method == http.MethodPost:
		s.create(w, r)
	case r.Method == http.MethodPatch:
		s.patch(w, r)
	default:
		answer(w, http.StatusMethodNotAllowed, r.Method)
	}
}

// selected is the path of the one object that a list or watch is for.
func selected(r *http.Request) string {
	name, ok := strings.CutPrefix(r.URL.Query().Get("fieldSelector"), "metadata.name=")
	if !ok {
		return ""
	}
	return path.Join(r.URL.Path, name)
}

func (s *Server) list(w http.ResponseWriter, r *http.Request) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	items := []any{}
	if object, ok := s.objects[selected(r)]; ok {
		items = append(items, object)
	}
	encode(w, http.StatusOK, map[string]any{"metadata": map[string]string{"resourceVersion": strconv.Itoa(s.version)}, "items": items})
}

// watch streams what has happened since a version, and what happens until it is cut or the client leaves.
func (s *Server) watch(w http.ResponseWriter, r *http.Request) {
	since, err := strconv.Atoi(r.URL.Query().Get("resourceVersion"))
	if err != nil {
		answer(w, http.StatusBadRequest, "no resourceVersion to watch from")
		return
	}
	left := r.Context().Done()
	go func() { <-left; s.mutex.Lock(); s.changed.Broadcast(); s.mutex.Unlock() }()
	w.WriteHeader(http.StatusOK)
	_ = http.NewResponseController(w).Flush()

	s.mutex.Lock()
	defer s.mutex.Unlock()
	for sent, cut := 0, s.cut; s.cut == cut && r.Context().Err() == nil; s.changed.Wait() {
		for ; sent < len(s.history); sent++ {
			if e := s.history[sent]; e.version > since && e.path == selected(r) {
				fmt.Fprintf(w, `{"type":%q,"object":%s}`+"\n", e.kind, e.object)
				_ = http.NewResponseController(w).Flush()
			}
		}
	}
}

func (s *Server) create(w http.ResponseWriter, r *http.Request) {
	object, err := read(r)
	if err != nil {
		answer(w, http.StatusBadRequest, err.Error())
		return
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	at := path.Join(r.URL.Path, object.GetName())
	if _, ok := s.objects[at]; ok {
		refuse(w, http.StatusConflict, metav1.StatusReasonAlreadyExists, "there is one")
		return
	}
	encode(w, http.StatusCreated, s.store(at, object))
}

// patch applies a JSON patch. As in Kubernetes, a resourceVersion that it writes is the one that the object must have.
func (s *Server) patch(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	before, ok := s.objects[r.URL.Path]
	if !ok {
		answer(w, http.StatusNotFound, "there is none")
		return
	}
	after, err := apply(before, text)
	switch {
	case err != nil:
		answer(w, http.StatusUnprocessableEntity, err.Error())
	case after.GetResourceVersion() != before.GetResourceVersion():
		answer(w, http.StatusConflict, "the object has been modified")
	default:
		encode(w, http.StatusOK, s.store(r.URL.Path, after))
	}
}

func apply(before *unstructured.Unstructured, patch []byte) (*unstructured.Unstructured, error) {
	operations, err := jsonpatch.DecodePatch(patch)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(before.Object)
	if err != nil {
		return nil, err
	}
	if text, err = operations.Apply(text); err != nil {
		return nil, err
	}
	after := &unstructured.Unstructured{}
	return after, json.Unmarshal(text, &after.Object)
}

func read(r *http.Request) (*unstructured.Unstructured, error) {
	object := &unstructured.Unstructured{}
	return object, json.NewDecoder(r.Body).Decode(&object.Object)
}

// answer is one that is no success, with Kubernetes' word for it.
func answer(w http.ResponseWriter, code int, message string) {
	reasons := map[int]metav1.StatusReason{
		http.StatusForbidden: metav1.StatusReasonForbidden, http.StatusNotFound: metav1.StatusReasonNotFound,
		http.StatusConflict: metav1.StatusReasonConflict, http.StatusUnprocessableEntity: metav1.StatusReasonInvalid,
	}
	refuse(w, code, reasons[code], message)
}

func refuse(w http.ResponseWriter, code int, reason metav1.StatusReason, message string) {
	encode(w, code, metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"},
		Status:   metav1.StatusFailure, Code: int32(code), Reason: reason, Message: message,
	})
}

func encode(w http.ResponseWriter, code int, content any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(content) // a client that has left needs no answer
}

// Kubeconfig is a file's content that leads here.
func (s *Server) Kubeconfig() []byte {
	return fmt.Appendf(nil, `apiVersion: v1
kind: Config
current-context: here
contexts: [{name: here, context: {cluster: here, user: me}}]
clusters: [{name: here, cluster: {server: %q}}]
users: [{name: me, user: {token: a-token}}]
`, s.URL)
}
