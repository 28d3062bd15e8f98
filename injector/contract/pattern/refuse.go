package pattern

import (
	"errors"
	"fmt"
)

// instead is the next step where no pattern will do.
const instead = ", or the ids listed in the annotations connections and variables instead"

// What is refused though one Python or another accepts it. None has a quote, a backslash or a semicolon, which what
// people read from the webhook cannot have.
var (
	errTooLong  = fmt.Errorf("a pattern of at most %d characters%s", MaxLength, instead)
	errTooMuch  = fmt.Errorf("a pattern that comes to at most %d characters when its repeats are written out%s", maxWritten, instead)
	errTooDeep  = fmt.Errorf("a pattern with groups nested at most %d deep%s", maxDepth, instead)
	errNotASCII = errors.New("a pattern of ASCII characters, since ids have no others")
	errByName   = errors.New("a pattern with characters as they are and not by name (backslash N)")
	errVerbose  = errors.New("a pattern without the verbose flag x, which is not supported")
	errNewEnd   = errors.New("a pattern without backslash z, which only Python 3.14 and later know: backslash Z is the same")
)

// cannotFollow refuses what is not in the power of Go's regular expressions, since they never go back on a choice.
func cannotFollow(construct string) error {
	return fmt.Errorf("a pattern without %s, which the regular expressions of Go cannot follow%s", construct, instead)
}

// invalid refuses what Python refuses. Positions count from 0, as Python's do.
func invalid(position int, mistake string, arguments ...any) error {
	return fmt.Errorf("a regular expression that Python can compile: %s at position %d", fmt.Sprintf(mistake, arguments...), position)
}
