package airflowcfg_test

import (
	_ "embed"
	"fmt"
	"strings"
)

//go:embed testdata/airflow.cfg
var chartFile string

// hidden is in all that an error must not tell.
const hidden = "zebra"

// reading is one option of one file, and what becomes of it here and in Airflow.
type reading struct {
	text            string
	section, option string // empty: [secrets] backend_kwargs
	value           string
	absent          bool
	err             string // a part of the error, which Airflow ends with too
	airflows        string // what Airflow makes of it all the same, in the environment airflowsEnviron
}

// airflowsEnviron is what else the environment of Airflow has.
var airflowsEnviron = []string{"TEAM=blue", "team=green", "0=zero"}

// names gives the section and the option that are asked for.
func (r reading) names() (section, option string) {
	if r.option == "" {
		return "secrets", "backend_kwargs"
	}
	return r.section, r.option
}

// readings are files that a parser which is almost right gets wrong.
var readings = map[string]reading{
	"the chart's":              {text: chartFile, value: `{"connections_prefix": "airflow/connections", "variables_prefix": "airflow/variables"}`},
	"the chart's backend":      {text: chartFile, section: "secrets", option: "backend", value: "airflow.providers.amazon.aws.secrets.secrets_manager.SecretsManagerBackend"},
	"the chart's workers":      {text: chartFile, section: "workers", option: "secrets_backend", absent: true},
	"empty file":               {absent: true},
	"comments only":            {text: "# [secrets]\n  ; x\n\n", absent: true},
	"empty value":              {text: "[secrets]\nbackend_kwargs =\n"},
	"colon":                    {text: "[secrets]\nbackend_kwargs: {\"a\": \"b=c\"}\n", value: `{"a": "b=c"}`},
	"first delimiter":          {text: "[secrets]\nbackend_kwargs =: = x\n", value: ": = x"},
	"no newline at the end":    {text: "[secrets]\nbackend_kwargs=x", value: "x"},
	"CRLF":                     {text: "[secrets]\r\nbackend_kwargs = x\r\n  y\r\n", value: "x\ny"},
	"CR alone":                 {text: "[secrets]\rbackend_kwargs = x\r", value: "x"},
	"other line ends are none": {text: "[secrets]\nbackend_kwargs = x\u2028y\vz\u0085w\n", value: "x\u2028y\vz\u0085w"},
	"Python's white space":     {text: "[secrets]\n\u00a0backend_kwargs\u2003=\x1fx\x1c\u00a0\n", value: "x"},
	"zero-width space stays":   {text: "[secrets]\nbackend_kwargs = \u200bx\n", value: "\u200bx"},
	"no inline comment":        {text: "[secrets]\nbackend_kwargs = x ; y # z\n", value: "x ; y # z"},
	"text behind the header":   {text: "[secrets] ; these\nbackend_kwargs = x\n", value: "x"},
	"quotes stay":              {text: "[secrets]\nbackend_kwargs = \"x\"\n", value: `"x"`},
	"letters of any script":    {text: "[secrets]\nbackend_kwargs = ключ\n", value: "ключ"},
	"NUL":                      {text: "[secrets]\nbackend_kwargs = x\x00y\n", value: "x\x00y"},

	"several lines":                {text: "[secrets]\nbackend_kwargs = {\n  \"a\": 1,\n    \"b\": 2\n  }\nbackend = x\n", value: "{\n\"a\": 1,\n\"b\": 2\n}"},
	"starts on the next line":      {text: "[secrets]\nbackend_kwargs =\n\t{}\n", value: "\n{}"},
	"empty lines inside":           {text: "[secrets]\nbackend_kwargs = x\n\n \n  y\n\n\n", value: "x\n\n\ny"},
	"comment inside":               {text: "[secrets]\nbackend_kwargs = x\n# y\n  ; z\n  w\n", value: "x\nw"},
	"header that goes on":          {text: "[core]\nx = y\n [secrets]\n backend_kwargs = z\n", absent: true},
	"indented section":             {text: "  [secrets]\n  backend_kwargs = x\n", value: "x"},
	"as deep as the option":        {text: "[secrets]\n  backend = x\n  backend_kwargs = y\n", value: "y"},
	"less deep than the option":    {text: "[secrets]\n    backend = x\n  backend_kwargs = y\n    z\n", value: "y\nz"},
	"deeper than the header alone": {text: "[secrets]\n   backend_kwargs = y\n", value: "y"},
	"a tab is one deep":            {text: "[secrets]\n  backend_kwargs = x\n\tbackend = y\n", value: "x"},
	"depth in characters":          {text: "[secrets]\n\u00a0backend_kwargs = x\n \ty\n", value: "x\ny"},
	"empty line and then an option": {
		text: "[secrets]\nbackend_kwargs = x\n\nbackend = y\n", value: "x"},

	"capitals in the option":      {text: "[secrets]\nBackend_Kwargs = x\n", absent: true},
	"capitals in the section":     {text: "[Secrets]\nbackend_kwargs = x\n", absent: true},
	"two cases of one name":       {text: "[secrets]\nBACKEND_KWARGS = x\nbackend_kwargs = y\n", value: "y"},
	"spaces in the header":        {text: "[ secrets ]\nbackend_kwargs = x\n", absent: true},
	"from DEFAULT":                {text: "[DEFAULT]\nbackend_kwargs = x\n[secrets]\n", value: "x"},
	"from DEFAULT at the end":     {text: "[secrets]\n[DEFAULT]\nbackend_kwargs = x\n", value: "x"},
	"DEFAULT without the section": {text: "[DEFAULT]\nbackend_kwargs = x\n", absent: true},
	"over DEFAULT":                {text: "[secrets]\nbackend_kwargs = x\n[DEFAULT]\nbackend_kwargs = y\n", value: "x"},
	"DEFAULT in two parts":        {text: "[DEFAULT]\na = x\n[secrets]\nbackend_kwargs = %(a)s%(b)s\n[DEFAULT]\nb = y\n", value: "xy"},
	"empty, not absent":           {text: "[of_ours]\nx =\n", section: "of_ours", option: "x"},
	"absent, not empty":           {text: "[of_ours]\n", section: "of_ours", option: "x", absent: true},

	"percent sign":               {text: "[secrets]\nbackend_kwargs = 100%% %%(a)s\n", value: "100% %(a)s"},
	"reference":                  {text: "[secrets]\nbackend_kwargs = <%(Other)s>\nOther = %(deeper)s!\ndeeper = x\n", value: "<x!>"},
	"reference over lines":       {text: "[secrets]\nbackend_kwargs = %(a\n  b)s\na\tb = x\n", err: "line 2: found a reference"},
	"percent sign from another":  {text: "[secrets]\nbackend_kwargs = %(a)s(b)s\na = %%\n", value: "%(b)s"},
	"ten deep":                   {text: chain(9), value: "x"},
	"eleven deep":                {text: chain(10), err: "more than 10 options deep"},
	"reference to itself":        {text: "[secrets]\nbackend_kwargs = zebra%(backend_kwargs)s\n", err: "more than 10 options deep"},
	"bare percent sign":          {text: "[core]\n[secrets]\nbackend_kwargs = zebra%\n", err: "line 3: found a % that starts neither"},
	"percent sign and letter":    {text: "[secrets]\nbackend_kwargs = %zebra\n", err: "found a % that starts neither"},
	"reference not opened":       {text: "[secrets]\nbackend_kwargs = %backend)s\nbackend = x\n", err: "found a % that starts neither"},
	"reference not closed":       {text: "[secrets]\nbackend_kwargs = %(zebra\n", err: "found a % that starts neither"},
	"reference without its s":    {text: "[secrets]\nbackend_kwargs = %(zebra)d\n", err: "found a % that starts neither"},
	"reference without a name":   {text: "[secrets]\nbackend_kwargs = %()s\n", err: "found a % that starts neither"},
	"reference to nothing":       {text: "[secrets]\nbackend_kwargs = %(zebra)s\n", err: "neither in [secrets] nor in [DEFAULT]"},
	"reference in another case":  {text: "[secrets]\nbackend_kwargs = %(Zebra)s\nzebra = x\n", err: "neither in [secrets] nor in [DEFAULT]"},
	"broken, but not asked for":  {text: "[secrets]\nbackend = %zebra\nbackend_kwargs = x\n", value: "x"},
	"another section's":          {text: "[core]\na = x\n[secrets]\nbackend_kwargs = %(a)s\n", err: "neither in [secrets] nor in [DEFAULT]"},
	"reference from the DEFAULT": {text: "[DEFAULT]\nbackend_kwargs = %(a)s\na = x\n[secrets]\na = y\n", value: "y"},

	"dollar sign":             {text: "[secrets]\nbackend_kwargs = ^aws_$|$|a$-b $$ ${} ${ $\n", value: "^aws_$|$|a$-b $$ ${} ${ $"},
	"tilde inside":            {text: "[secrets]\nbackend_kwargs = x~y\n", value: "x~y"},
	"variable":                {text: "[secrets]\nbackend_kwargs = zebra/$TEAM\n", err: "line 2: found the environment variable TEAM, ", airflows: "zebra/blue"},
	"variable in braces":      {text: "[secrets]\nbackend_kwargs = $${TEAM}zebra\n", err: "found the environment variable TEAM, ", airflows: "$bluezebra"},
	"variable from elsewhere": {text: "[secrets]\nbackend_kwargs = %(dollar)sTEAM\ndollar = $\n", err: "found the environment variable TEAM, ", airflows: "blue"},
	"variable in small":       {text: "[secrets]\nbackend_kwargs = ${team}\n", err: "found an environment variable behind a $, ", airflows: "green"},
	"variable of digits":      {text: "[secrets]\nbackend_kwargs = $0\n", err: "found an environment variable behind a $, ", airflows: "zero"},
	"password, not variable":  {text: "[secrets]\nbackend_kwargs = {\"password\": \"x$zebra\"}\n", err: "found an environment variable behind a $, ", airflows: `{"password": "x$zebra"}`},
	"no variable of Python's": {text: "[secrets]\nbackend_kwargs = $ключ\n", value: "$ключ"},
	"tilde":                   {text: "[secrets]\nbackend_kwargs = ~zebra/x\n", err: "line 2: found a ~ at the start", airflows: "~zebra/x"},

	"text before the header":    {text: "\n# x\nzebra = y\n[secrets]\n", err: "line 3: found text before the first section"},
	"byte order mark":           {text: "\ufeff[secrets]\nbackend_kwargs = zebra\n", err: "line 1: found a byte order mark"},
	"not UTF-8":                 {text: "[secrets]\nbackend = x\nbackend_kwargs = zebra\xff\n", err: "line 3: found bytes that are not UTF-8"},
	"no delimiter":              {text: "[secrets]\nbackend_kwargs = {\n  \"a\": 1\n}zebra\n", err: "line 4: found neither = nor :"},
	"value without its indent":  {text: "[secrets]\nbackend_kwargs = zebra\nzebra\n", err: "line 3: found neither = nor :"},
	"no name":                   {text: "[secrets]\n = zebra\n", err: "line 2: found no name before ="},
	"header without a name":     {text: "[secrets]\n[]\n", err: "line 2: found neither = nor :"},
	"header not closed":         {text: "[secrets\nbackend_kwargs = x\n", err: "line 1: found text before the first section"},
	"section twice":             {text: "[zebra]\n[secrets]\n[zebra]\n", err: "line 3: found a section for the second time"},
	"option twice":              {text: "[secrets]\nbackend_kwargs = zebra\n\nbackend_kwargs: y\n", err: "line 4: found an option for the second time"},
	"option twice in DEFAULT":   {text: "[DEFAULT]\nzebra = x\n[secrets]\n[DEFAULT]\nzebra = x\n", err: "line 5: found an option for the second time"},
	"continues nothing":         {text: "[secrets]\n  zebra\n", err: "line 2: found neither = nor :"},
	"option that goes on twice": {text: "[secrets]\nbackend_kwargs = x\n  backend_kwargs = y\n", value: "x\nbackend_kwargs = y"},
}

// chain is a file whose option is so many references away from its value.
func chain(references int) string {
	var b strings.Builder
	b.WriteString("[secrets]\nbackend_kwargs = %(a0)s\n")
	for n := range references {
		fmt.Fprintf(&b, "a%d = %%(a%d)s\n", n, n+1)
	}
	fmt.Fprintf(&b, "a%d = x\n", references)
	return b.String()
}
