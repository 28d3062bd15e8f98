package main

import (
	"fmt"
	"os"
	"time"
)

// printer writes the demo's story: with colours for a terminal, plain where it is piped or NO_COLOR is set.
type printer struct {
	file               *os.File
	bold, dim, ok, off string
	steps              int
	started            time.Time
}

func newPrinter(file *os.File) *printer {
	p := &printer{file: file, started: time.Now()}
	info, err := file.Stat()
	if err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" {
		p.bold, p.dim, p.ok, p.off = "\x1b[1m", "\x1b[2m", "\x1b[32m", "\x1b[0m"
	}
	return p
}

func (p *printer) title(text string) { fmt.Fprintf(p.file, "%s%s%s\n", p.bold, text, p.off) }

func (p *printer) step(text string) {
	p.steps++
	fmt.Fprintf(p.file, "\n%s%d. %s%s\n", p.bold, p.steps, text, p.off)
}

// say prints a line of the step; the first word of a detail is set in its own column.
func (p *printer) say(format string, args ...any) {
	fmt.Fprintf(p.file, "   "+format+"\n", args...)
}

func (p *printer) detail(name, format string, args ...any) {
	fmt.Fprintf(p.file, "   %s%-34s%s %s\n", p.dim, name, p.off, fmt.Sprintf(format, args...))
}

func (p *printer) took(d time.Duration) {
	fmt.Fprintf(p.file, "   %sok%s %sin %s%s\n", p.ok, p.off, p.dim, d.Round(time.Millisecond/10), p.off)
}

func (p *printer) end() {
	fmt.Fprintf(p.file, "\n%sAll %d steps came out as they should%s, in %s.\n", p.ok, p.steps, p.off, time.Since(p.started).Round(time.Millisecond))
}
