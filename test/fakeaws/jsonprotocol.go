package fakeaws

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// jsonProtocol is Secrets Manager's: JSON 1.1, the operation being in the header X-Amz-Target.
type jsonProtocol struct{}

func (jsonProtocol) service() string { return "secretsmanager" }

func (jsonProtocol) handler(operation string) handler { return secretsOperations[operation] }

func (jsonProtocol) decode(c *call, body []byte) error {
	if err := json.Unmarshal(body, &c.in); err != nil {
		return clientError("SerializationException", "%v", err)
	}
	return nil
}

func (jsonProtocol) write(w http.ResponseWriter, c *call, output any, err error) {
	status := http.StatusOK
	if err != nil {
		e := asAPIError(err)
		status = e.Status
		output = struct {
			Type    string `json:"__type"`
			Message string
		}{e.Code, e.Message}
	}
	body, err := json.Marshal(output)
	writeBody(w, c, "application/x-amz-json-1.1", status, body, err)
}

// writeBody writes what either protocol has encoded. A client that has left gets no answer, and there is nobody to tell.
func writeBody(w http.ResponseWriter, c *call, contentType string, status int, body []byte, err error) {
	if err != nil {
		status, body = http.StatusInternalServerError, fmt.Appendf(nil, "fakeaws: encoding the answer: %v", err)
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("X-Amzn-RequestId", c.id)
	w.WriteHeader(status)
	w.Write(body)
}

func (jsonProtocol) fault(f fault) *apiError {
	e := jsonFaults[f]
	return &e
}

var jsonFaults = map[fault]apiError{
	unknownOperation: {Code: "UnknownOperationException", Status: http.StatusBadRequest},
	noSignature:      {Code: "MissingAuthenticationTokenException", Message: "Missing Authentication Token", Status: http.StatusBadRequest},
	unknownKey:       {Code: "UnrecognizedClientException", Message: "The security token included in the request is invalid.", Status: http.StatusBadRequest},
	expiredToken:     {Code: "ExpiredTokenException", Message: "The security token included in the request is expired", Status: http.StatusBadRequest},
	accessDenied:     {Code: "AccessDeniedException", Status: http.StatusBadRequest},
	throttled:        {Code: "ThrottlingException", Message: "Rate exceeded", Status: http.StatusBadRequest},
	internalError:    {Code: "InternalServiceError", Message: "An error occurred on the server side.", Status: http.StatusInternalServerError},
	unavailable:      {Code: "ServiceUnavailable", Message: "The service is unavailable.", Status: http.StatusServiceUnavailable},
}

// epoch is a time as JSON 1.1 has it: seconds since 1970, to the millisecond. The zero time is left out by omitzero.
type epoch struct{ time.Time }

// MarshalJSON writes the time as a number.
func (e epoch) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, float64(e.UnixMilli())/1000, 'f', -1, 64), nil
}
