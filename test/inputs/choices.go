package inputs

// Choices takes an input byte by byte. When it is used up, every further choice is the first and plainest one, so that
// cutting an input short makes it simpler: Go's fuzzer minimises so.
type Choices struct{ rest []byte }

// From starts at the input's first byte.
func From(input []byte) *Choices { return &Choices{input} }

// Below chooses a number from 0 to n-1. It takes as many bytes as that needs.
func (c *Choices) Below(n int) int {
	number := 0
	for size := 1; size < n && len(c.rest) > 0; size <<= 8 {
		number = number<<8 | int(c.rest[0])
		c.rest = c.rest[1:]
	}
	return number % n
}

// OneIn is true once in n times, and never when the input is used up.
func (c *Choices) OneIn(n int) bool { return c.Below(n) == n-1 }

// Rest is all that is left of the input, taken as it is.
func (c *Choices) Rest() []byte {
	rest := c.rest
	c.rest = nil
	return rest
}

// Of chooses one of several things.
func Of[T any](c *Choices, from ...T) T { return from[c.Below(len(from))] }
