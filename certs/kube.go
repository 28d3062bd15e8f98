package certs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	utilnet "k8s.io/apimachinery/pkg/util/net"
)

const (
	// fieldManager is the name that managedFields tells for what we write.
	fieldManager = "airflow-secrets-webhook"
	// requestLimit bounds each request that is not a watch.
	requestLimit = 10 * time.Second
	// maxResponse bounds what is read of an answer: a list of one object, of which etcd takes 1.5 MiB.
	maxResponse = 4 << 20
)

// cluster is an API server, with our credentials for it.
//
// It speaks the API's JSON over client-go's transport, which renews the service account's token and the cluster's
// certificates and notices dead connections. client-go's REST client on top of it would cost 1.3 MB of binary for the four
// calls below.
type cluster struct {
	server *url.URL
	client *http.Client
}

// close lets go of connections that are not in use.
func (c *cluster) close() { utilnet.CloseIdleConnectionsFor(c.client.Transport) }

// send makes a request and returns its answer's body, to be closed. An answer that is no success is a StatusError, which
// apierrors can tell apart.
func (c *cluster) send(ctx context.Context, method, path string, query url.Values, contentType string, body []byte) (io.ReadCloser, error) {
	target := c.server.JoinPath(path)
	target.RawQuery = query.Encode()
	request, err := http.NewRequestWithContext(ctx, method, target.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/json")
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	response, err := c.client.Do(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode < 200 || response.StatusCode > 299 {
		defer response.Body.Close()
		return nil, refusedBy(response)
	}
	return response.Body, nil
}

// refusedBy reads what an API server, or a proxy before it, says instead of the answer.
func refusedBy(response *http.Response) error {
	var status metav1.Status
	text, err := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	if err != nil || json.Unmarshal(text, &status) != nil || status.Kind != "Status" {
		status = metav1.Status{Message: "HTTP status " + response.Status}
	}
	status.Code = int32(response.StatusCode)
	return &apierrors.StatusError{ErrStatus: status}
}

// call makes a bounded request and decodes its answer, if that is wanted.
func (c *cluster) call(ctx context.Context, method, path string, query url.Values, contentType string, body []byte, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, requestLimit)
	defer cancel()
	content, err := c.send(ctx, method, path, query, contentType, body)
	if err != nil {
		return err
	}
	defer content.Close()
	text, err := io.ReadAll(io.LimitReader(content, maxResponse))
	if err != nil || answer == nil {
		return err
	}
	return json.Unmarshal(text, answer)
}

// resource is one object by its name, which need not be there. Everything is asked for by that name, so roles can be
// limited to it by resourceNames; creating is the exception, for which Kubernetes has no such limit.
type resource[T any] struct {
	cluster *cluster
	path    string // of the collection
	name    string
}

// list returns the object, or nil where there is none, and the version of the collection to watch from.
func (r resource[T]) list(ctx context.Context) (*T, string, error) {
	var found struct {
		Metadata metav1.ListMeta `json:"metadata"`
		Items    []T             `json:"items"`
	}
	if err := r.cluster.call(ctx, http.MethodGet, r.path, r.selector(), "", nil, &found); err != nil {
		return nil, "", err
	}
	if len(found.Items) == 0 {
		return nil, found.Metadata.ResourceVersion, nil
	}
	return &found.Items[0], found.Metadata.ResourceVersion, nil
}

// watch tells of every change to the object after a version, with nil for a deletion, until the time is over. It returns
// nil then.
func (r resource[T]) watch(ctx context.Context, version string, period time.Duration, changed func(*T)) error {
	ctx, cancel := context.WithTimeout(ctx, period+requestLimit) // should the API server not end it
	defer cancel()
	query := r.selector()
	query.Set("watch", "true")
	query.Set("resourceVersion", version)
	query.Set("timeoutSeconds", strconv.Itoa(int(period.Seconds())))
	content, err := r.cluster.send(ctx, http.MethodGet, r.path, query, "", nil)
	if err != nil {
		return err
	}
	defer content.Close()
	return decodeEvents(content, changed)
}

// decodeEvents reads a watch to its end.
func decodeEvents[T any](stream io.Reader, changed func(*T)) error {
	for events := json.NewDecoder(stream); ; {
		var event struct {
			Type   string          `json:"type"`
			Object json.RawMessage `json:"object"`
		}
		if err := events.Decode(&event); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		switch event.Type {
		case "ADDED", "MODIFIED":
			object := new(T)
			if err := json.Unmarshal(event.Object, object); err != nil {
				return err
			}
			changed(object)
		case "DELETED":
			changed(nil)
		case "ERROR": // most likely the version is too old: the next list mends that
			var status metav1.Status
			if err := json.Unmarshal(event.Object, &status); err != nil {
				return err
			}
			return &apierrors.StatusError{ErrStatus: status}
		}
	}
}

// create fails with AlreadyExists where another was faster.
func (r resource[T]) create(ctx context.Context, object *T) error {
	return r.write(ctx, http.MethodPost, r.path, "application/json", object)
}

// operation is one of a JSON patch.
type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value"`
}

// patch changes single fields and leaves all others to whoever owns them. It fails with Conflict where the object is no
// longer of that version: an API server takes a version in a patch as the one that the object must have.
func (r resource[T]) patch(ctx context.Context, version string, operations []operation) error {
	all := append([]operation{{Op: "replace", Path: "/metadata/resourceVersion", Value: version}}, operations...)
	return r.write(ctx, http.MethodPatch, r.path+"/"+url.PathEscape(r.name), string(types.JSONPatchType), all)
}

func (r resource[T]) write(ctx context.Context, method, path, contentType string, content any) error {
	body, err := json.Marshal(content)
	if err != nil {
		return fmt.Errorf("encoding a request: %w", err)
	}
	return r.cluster.call(ctx, method, path, url.Values{"fieldManager": {fieldManager}}, contentType, body, nil)
}

func (r resource[T]) selector() url.Values {
	return url.Values{"fieldSelector": {"metadata.name=" + r.name}}
}
