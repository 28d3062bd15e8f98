package contract

import "slices"

// Report says what was delivered and what was not. It lies beside the files as ReportFile and holds no value.
type Report struct {
	Version     int         `json:"version"`
	Connections []Delivered `json:"connections"`
	Variables   []Delivered `json:"variables"`
	Config      []Delivered `json:"config"`
	Files       []Delivered `json:"files"`
	LeftOut     []LeftOut   `json:"leftOut"`
	Collisions  []Collision `json:"collisions"`
	Warnings    []string    `json:"warnings"`
}

// NewReport is a report of nothing, whose lists print as [] and not as null.
func NewReport() Report {
	return Report{
		Version:     Version,
		Connections: []Delivered{}, Variables: []Delivered{}, Config: []Delivered{}, Files: []Delivered{},
		LeftOut: []LeftOut{}, Collisions: []Collision{}, Warnings: []string{},
	}
}

// Delivers says whether Airflow gets the thing, from whichever account.
func (r Report) Delivers(kind Kind, id string) bool {
	for k, delivered := range map[Kind][]Delivered{Connections: r.Connections, Variables: r.Variables, Options: r.Config, Files: r.Files} {
		if k == kind && slices.ContainsFunc(delivered, func(d Delivered) bool { return d.ID == id }) {
			return true
		}
	}
	return false
}

// Delivered is one entry of a file and the secret it came from.
type Delivered struct {
	ID  string `json:"id"`  // as Airflow asks for it
	ARN string `json:"arn"` // of the secret
	// Account is the Name of the Account in the configuration.
	Account string `json:"account"`
}

// Kind is a kind of things that Airflow looks up by id.
type Kind string

// The kinds of things.
const (
	Connections Kind = "connections"
	Variables   Kind = "variables"
	// Options are Airflow's own, by ids as its section and key name them for a backend.
	Options Kind = "config"
	// Files are no things of Airflow's: they are delivered as they are, and their id is their path.
	Files Kind = "files"
)

// LeftOut is one secret that was found and is not delivered, and why.
type LeftOut struct {
	Kind     Kind   `json:"kind"`
	ID       string `json:"id"`
	Code     Code   `json:"code"`
	Sentence string `json:"sentence"`
}

// Collision is an id that two accounts hold: the ARN that was used and the one that it hides.
type Collision struct {
	Kind   Kind   `json:"kind"`
	ID     string `json:"id"`
	Used   string `json:"used"`
	Hidden string `json:"hidden"`
}
