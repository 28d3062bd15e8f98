package fakeaws

import (
	"errors"
	"fmt"
	"net/http"
)

// apiError is an error as a service answers it.
type apiError struct {
	Code    string
	Message string
	Status  int // of HTTP
}

// Error is the code and the message.
func (e *apiError) Error() string { return e.Code + ": " + e.Message }

// What may happen to a call instead of an answer.
var (
	errDropped    = &apiError{Code: Dropped}
	errUnanswered = &apiError{Code: Unanswered}
)

// asAPIError is err as it is answered. Operations return no other errors, so anything else is a defect of this package.
func asAPIError(err error) *apiError {
	var e *apiError
	if errors.As(err, &e) {
		return e
	}
	return &apiError{Code: "FakeAWSDefect", Message: err.Error(), Status: http.StatusInternalServerError}
}

// fault is an error that every operation may answer, and that each service words in its own way.
type fault int

const (
	unknownOperation fault = iota
	noSignature
	unknownKey
	expiredToken
	accessDenied
	throttled
	internalError
	unavailable
)

// clientError is an error of Secrets Manager that is the client's fault. AWS answers all of them with HTTP 400, one that
// says that something is not found, too (API reference, "Errors" of each action).
func clientError(code, format string, args ...any) *apiError {
	return &apiError{Code: code, Message: fmt.Sprintf(format, args...), Status: http.StatusBadRequest}
}

func invalidParameter(format string, args ...any) *apiError {
	return clientError("InvalidParameterException", format, args...)
}

func invalidRequest(format string, args ...any) *apiError {
	return clientError("InvalidRequestException", format, args...)
}

func notFound(format string, args ...any) *apiError {
	return clientError("ResourceNotFoundException", format, args...)
}

// constraint is what AWS answers to a member that breaks a constraint of the API model.
func constraint(member, broken string, args ...any) *apiError {
	return clientError("ValidationException", "1 validation error detected: Value at '%s' failed to satisfy constraint: Member must %s",
		member, fmt.Sprintf(broken, args...))
}

// checkLength says whether a member's length is within the API model's bounds.
func checkLength(member string, length, shortest, longest int) error {
	switch {
	case length < shortest:
		return constraint(member, "have length greater than or equal to %d", shortest)
	case length > longest:
		return constraint(member, "have length less than or equal to %d", longest)
	}
	return nil
}
