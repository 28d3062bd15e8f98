package fakeaws

import (
	"encoding/xml"
	"net/http"
	"net/url"
)

// queryProtocol is STS's: a form comes in, with the operation as its Action, and XML goes out.
type queryProtocol struct{}

func (queryProtocol) service() string { return "sts" }

func (queryProtocol) handler(operation string) handler { return stsOperations[operation] }

func (queryProtocol) decode(c *call, body []byte) error {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return clientError("MalformedInput", "%v", err)
	}
	c.form, c.operation = form, form.Get("Action")
	return nil
}

const stsNamespace = "https://sts.amazonaws.com/doc/2011-06-15/"

// queryAnswer is <OperationResponse> around <OperationResult>.
type queryAnswer struct {
	XMLName   xml.Name
	Namespace string `xml:"xmlns,attr"`
	Result    element
	RequestID string `xml:"ResponseMetadata>RequestId"`
}

// element is a value that is written as an element of that name.
type element struct {
	name  string
	value any
}

// MarshalXML writes the value's element.
func (e element) MarshalXML(encoder *xml.Encoder, _ xml.StartElement) error {
	return encoder.EncodeElement(e.value, xml.StartElement{Name: xml.Name{Local: e.name}})
}

// queryError is <ErrorResponse>.
type queryError struct {
	XMLName   xml.Name `xml:"ErrorResponse"`
	Namespace string   `xml:"xmlns,attr"`
	Type      string   `xml:"Error>Type"` // whose fault it is: Sender or Receiver
	Code      string   `xml:"Error>Code"`
	Message   string   `xml:"Error>Message"`
	RequestID string   `xml:"RequestId"`
}

func (queryProtocol) write(w http.ResponseWriter, c *call, output any, err error) {
	status := http.StatusOK
	var document any = queryAnswer{
		XMLName: xml.Name{Local: c.operation + "Response"}, Namespace: stsNamespace,
		Result: element{c.operation + "Result", output}, RequestID: c.id,
	}
	if err != nil {
		e := asAPIError(err)
		status = e.Status
		fault := "Sender"
		if status >= http.StatusInternalServerError {
			fault = "Receiver"
		}
		document = queryError{Namespace: stsNamespace, Type: fault, Code: e.Code, Message: e.Message, RequestID: c.id}
	}
	body, err := xml.Marshal(document)
	writeBody(w, c, "text/xml", status, body, err)
}

func (queryProtocol) fault(f fault) *apiError {
	e := queryFaults[f]
	return &e
}

var queryFaults = map[fault]apiError{
	unknownOperation: {Code: "InvalidAction", Message: "Could not find operation for version 2011-06-15", Status: http.StatusBadRequest},
	noSignature:      {Code: "MissingAuthenticationToken", Message: "Request is missing Authentication Token", Status: http.StatusForbidden},
	unknownKey:       {Code: "InvalidClientTokenId", Message: "The security token included in the request is invalid.", Status: http.StatusForbidden},
	expiredToken:     {Code: "ExpiredToken", Message: "The security token included in the request is expired", Status: http.StatusForbidden},
	accessDenied:     {Code: "AccessDenied", Status: http.StatusForbidden},
	throttled:        {Code: "Throttling", Message: "Rate exceeded", Status: http.StatusBadRequest},
	internalError:    {Code: "InternalFailure", Message: "An error occurred on the server side.", Status: http.StatusInternalServerError},
	unavailable:      {Code: "ServiceUnavailable", Message: "The service is unavailable.", Status: http.StatusServiceUnavailable},
}
