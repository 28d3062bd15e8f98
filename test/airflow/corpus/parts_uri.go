package corpus

// uriSlots are the parts of type://login:password@host:port/schema?query#fragment.
func uriSlots() []slot {
	return []slot{
		{name: "before", plain: []part{{"nothing", ""}}, nasty: []part{
			{"space", " "}, {"line-feed", "\n"}, {"no-break-space", "\u00a0"}, {"separator", "\x1f"}, {"form-feed", "\f\v"},
			{"byte-order-mark", "\ufeff"}, {"nul", "\x00"}, {"zero-width-space", "\u200b"}, {"next-line", "\u0085"},
		}},
		{name: "type", plain: []part{{"postgres", "postgres"}, {"aws", "aws"}, {"http", "http"}, {"mysql", "mysql"}}, nasty: []part{
			{"postgresql", "postgresql"}, {"dashes", "google-cloud-platform"}, {"underscore", "google_cloud_platform"},
			{"upper-case", "POSTGRES"}, {"mixed-case", "Google-Cloud-Platform"}, {"digit-first", "9p"}, {"plus-and-point", "a+b.c"}, {"plus-first", "+a"},
			{"percent", "my%2Dsql"}, {"not-ascii", "mÿsql"}, {"none", ""}, {"space-inside", "my sql"}, {"line-feed-inside", "my\nsql"}, {"one-letter", "p"},
		}},
		{name: "separator", plain: []part{{"usual", "://"}}, nasty: []part{
			{"three-slashes", ":///"}, {"four-slashes", ":////"}, {"tab-inside", ":\t//"},
		}, rare: []part{{"one-slash", ":/"}, {"colon", ":"}, {"slashes", "//"}, {"escaped", "%3A//"}, {"backslashes", ":\\\\"}, {"twice", "://://"}}},
		{name: "protocol", plain: []part{{"none", ""}}, nasty: []part{
			{"https", "https://"}, {"http", "http://"}, {"escaped", "https%3A%2F%2F"}, {"escaped-colon", "https%3A//"}, {"upper-case", "HTTPS://"},
			{"its-own", "postgres://"},
		}, rare: []part{{"two", "http://https://"}, {"with-login", "app:hunter2@https://"}, {"empty", "://"}}},
		{name: "login", plain: []part{{"plain", "app"}, {"none", ""}, {"digits", "12345"}}, nasty: []part{
			{"escaped-at", "app%40example.com"}, {"escaped-colon", "a%3Ab"}, {"escaped-slash", "DOMAIN%2Fapp"}, {"escaped-backslash", "DOMAIN%5Capp"},
			{"backslash", `DOMAIN\app`},
			{"plus", "a+b"}, {"percent-alone", "100%"}, {"percent-not-hexadecimal", "%zz"}, {"not-utf-8", "%FF%C3%28"}, {"not-ascii", "jürgen"},
			{"escaped-not-ascii", "j%C3%BCrgen"},
			{"emoji", "😀"}, {"space", "a b"}, {"upper-case", "APP"}, {"escaped-nul", "a%00b"}, {"lower-case-escape", "a%2fb"}, {"dollar", "$(HOME)"},
			{"quote", `a"b'c`}, {"no-break-space", "\u00a0app\u00a0"},
		}, rare: []part{{"bracket", "a[b"}, {"brackets", "[::1]"}, {"raw-slash", "a/b"}, {"normalises-to-slash", "a\u2100b"}, {"angle", "<a>"}}},
		{name: "password", plain: []part{{"plain", ":hunter2"}, {"none", ""}}, nasty: []part{
			{"escaped-at-and-slash", ":hunter2%40%2F"}, {"escaped-twice", ":hunter2%2520%252F"}, {"escaped-hash-and-question-mark", ":hunter2%23%3F"},
			{"escaped-brackets", ":hunter2%5B%5D"},
			{"plus", ":hunter2+1+1"}, {"percent-alone", ":hunter2%"}, {"percent-and-one-digit", ":hunter2%4"}, {"not-utf-8", ":hunter2%FF"},
			{"not-ascii", ":hunter2ß"}, {"escaped-not-ascii", ":hunter2%C3%9F"},
			{"half-of-a-character", ":hunter2%C3"}, {"escaped-surrogate", ":hunter2%ED%A0%80"}, {"raw-at", ":hunter2@x"},
			{"raw-at-twice", ":@hunter2@@"}, {"raw-colon", ":hunter2:x"}, {"colon-first", "::hunter2"},
			{"space", ":hunter2 x"}, {"trailing-space-escaped", ":hunter2%20"}, {"nul", ":hunter2\x00x"}, {"line-feed", ":hun\nter2"},
			{"escaped-line-feed", ":hunter2%0A"}, {"dollar", ":hunter2$$$(X)"}, {"braces", ":{hunter2}"},
			{"equals-and-and", ":hunter2=a&b=c"}, {"semicolon", ":hunter2;x"}, {"backslash", `:hunter2\n`}, {"emoji", ":hunter2😀"},
			{"combining", ":hunter2e\u0301"}, {"percent-format", ":hunter2%(x)s{{ x }}"}, {"quotes", `:hunter2"'` + "`"},
		}, rare: []part{
			{"empty", ":"}, {"raw-slash", ":hunter2/x"}, {"raw-hash", ":hunter2#x"}, {"raw-question-mark", ":hunter2?x"},
			{"digits-and-raw-slash", ":80/hunter2"},
			{"brackets", ":[hunter2]"}, {"bracket", ":hunter2]"}, {"brackets-of-an-address", ":[::1]hunter2"}, {"wide-slash", ":hunter2\uff0f"},
			{"wide-at", ":hunter2\uff20"}, {"protocol", ":hunter2://x"},
		}},
		{name: "at", plain: []part{{"usual", "@"}}, nasty: []part{{"two", "@@"}}, rare: []part{{"escaped", "%40"}, {"none", ""}}},
		{name: "host", plain: []part{{"plain", "db.example.com"}, {"short", "db"}, {"ipv4", "10.0.0.1"}}, nasty: []part{
			{"none", ""}, {"upper-case", "DB.Example.COM"}, {"ipv6", "[2001:DB8::1]"}, {"ipv6-zone", "[fe80::1%25eth0]"},
			{"ipv6-zone-raw", "[FE80::1%Eth0]"}, {"ipv6-of-ipv4", "[::ffff:10.0.0.1]"}, {"future", "[v1.X:y]"},
			{"escaped-slash", "db%2FOther"}, {"escaped-at", "a%40b"}, {"escaped-colon", "a%3A1"}, {"upper-case-escape", "D%C3%9C"},
			{"not-ascii", "bücher.example"}, {"not-ascii-upper-case", "BÜCHER"}, {"dotted-i", "\u0130stanbul"}, {"kelvin", "\u212a8s"},
			{"wide", "\uff44\uff42"}, {"underscore", "my_db"}, {"space", "my db"}, {"percent-alone", "db%"}, {"trailing-point", "db."},
			{"socket", "%2Fvar%2Frun%2Fpg"}, {"plus", "a+b"}, {"comma", "a,b"}, {"sharp-s", "stra\u1e9ee"}, {"tab", "d\tb"}, {"jdbc", "jdbc:mysql"},
		}, rare: []part{{"ipv6-raw", "2001:db8::1"}, {"ipv4-in-brackets", "[127.0.0.1]"}, {"bracket", "db]"}, {"open-bracket", "[::1"},
			{"brackets-late", "a[::1]"}, {"brackets-and-more", "[::1]a"}, {"empty-brackets", "[]"}, {"normalises", "a\u2048b"},
			{"two-zones", "[::1%25a%25b]"}, {"not-an-address", "[1::2::3]"}, {"five-digits", "[12345::]"}}},
		{name: "port", plain: []part{{"usual", ":5432"}, {"none", ""}}, nasty: []part{
			{"empty", ":"}, {"zero", ":0"}, {"largest", ":65535"}, {"leading-zeros", ":0005432"}, {"zeros", ":000"}, {"line-feed-inside", ":54\n32"},
		}, rare: []part{{"too-large", ":65536"}, {"far-too-large", ":99999999999999999999"}, {"sign", ":+5432"}, {"minus", ":-1"},
			{"underscore", ":5_432"}, {"other-digits", ":\u0665\u0664"}, {"superscript", ":5\u00b2"}, {"letters", ":hunter2"}, {"space", ":5432 "},
			{"two", ":80:81"}, {"escaped", ":%35"}, {"fraction", ":54.32"}}},
		{name: "path", plain: []part{{"plain", "/orders"}, {"none", ""}}, nasty: []part{
			{"slash", "/"}, {"two-slashes", "//orders"}, {"trailing-slash", "/orders/"}, {"segments", "/a/b/c"}, {"escaped-slash", "/a%2Fb"},
			{"escaped-twice", "/a%252Fb"}, {"escaped-question-mark", "/a%3Fb"}, {"not-ascii", "/straße"}, {"escaped-not-ascii", "/%C3%9F"},
			{"not-utf-8", "/%FF"},
			{"percent-alone", "/100%"}, {"plus", "/a+b"}, {"space", "/a b"}, {"semicolon", "/a;b=c"}, {"at", "/a@b"}, {"colon", "/a:b"},
			{"dots", "/../.."}, {"brackets", "/[a]"}, {"upper-case", "/ORDERS"}, {"backslash", `/a\b`}, {"nul", "/a\x00b"}, {"quotes", `/a"b`},
			{"trailing-escaped-line-feed", "/a%0A"}, {"braces", "/{a}"},
		}},
		{name: "query", plain: []part{{"none", ""}, {"word", "?region_name=eu-central-1"}}, nasty: []part{
			{"empty", "?"}, {"two-words", "?role_arn=arn:aws:iam::111122223333:role/x&charset=utf8"}, {"blank", "?region_name="},
			{"repeated", "?a=x&a=y"}, {"repeated-blank", "?a=x&a="}, {"no-value", "?a"}, {"no-key", "?=x"}, {"ands", "?&&a=x&"},
			{"semicolon", "?a=x;b=y"},
			{"escaped", "?a%20b=c%26d%3De"}, {"escaped-twice", "?a=%2520"}, {"plus", "?a+b=c+d"}, {"not-ascii", "?ключ=значение"},
			{"escaped-not-ascii", "?k=%C3%BC"}, {"not-utf-8", "?k=%FF%41"}, {"percent-alone", "?a=100%"}, {"equals", "?a=b=c"},
			{"question-mark", "?a=b?c=d"}, {"slash", "?a=b/c//d"}, {"space", "?a=b c"}, {"line-feed", "?a=b\nc"}, {"nul", "?a=b\x00"},
			{"escaped-nul", "?a=b%00"}, {"backslash", `?a=\u00e9`},
			{"almost-number", "?a=007&b=1_000&c=0x1f&d=1."}, {"almost-constant", "?a=True&b=None&c=nan&d=yes"}, {"almost-object", "?a={b}&c=[d"},
			{"half-escaped-pair", "?a=é%C3&b=%A9"}, {"emoji", "?a=😀"}, {"at", "?a=x@y:z"}, {"upper-case", "?REGION=Eu"},
			{"escaped-surrogate", "?a=%ED%A0%80"}, {"secret-key", "?password=hunter2&token=hunter2"},
			{"extra-object", "?__extra__=%7B%22a%22%3A+%7B%22b%22%3A+1.10%7D%7D"}, {"extra-beside", "?a=x&__extra__=%7B%22b%22%3A%22c%22%7D"},
			{"extra-empty-object", "?__extra__=%7B%7D"}, {"extra-blank", "?__extra__="},
			{"extra-spaced", "?__extra__=+%7B%22z%22:1,%22a%22:null%7D%0A"}, {"extra-raw", `?__extra__={"a":"b","é":[NaN]}`},
			{"extra-escapes", "?__extra__=%7B%22a%22%3A%22%5Cud83d%22%7D"}, {"extra-twice", "?__extra__=hunter2&__extra__=%7B%22k%22:2%7D"},
			{"extra-duplicate-key", "?__extra__=%7B%22a%22:1,%22b%22:2,%22a%22:3%7D"},
		}, rare: []part{
			{"number", "?num_retries=5"}, {"constant", "?a=true"}, {"null", "?a=null"}, {"array", "?a=%5B%22b%22%5D"},
			{"object", "?a=%7B%22b%22:%7B%7D%7D"}, {"string", "?a=%22b%22"}, {"not-a-number", "?a=NaN&b=x"}, {"float", "?timeout=1.50"},
			{"extra-not-json", "?__extra__=hunter2"}, {"extra-constant", "?__extra__=false"}, {"extra-unfinished", "?__extra__=%7B%22a%22"},
			{"extra-not-utf-8", "?__extra__=%7B%22a%22:%22%FF%22%7D"},
		}},
		{name: "fragment", plain: []part{{"none", ""}}, nasty: []part{{"empty", "#"}, {"word", "#a"}, {"query", "#a?b=c"}, {"slash", "#/a"},
			{"hash", "##"}, {"not-ascii", "#é"}}},
		{name: "after", plain: []part{{"nothing", ""}, {"line-feed", "\n"}}, nasty: []part{
			{"space", " "}, {"crlf", "\r\n"}, {"no-break-space", "\u00a0"}, {"wide-space", "\u3000"}, {"separator", "\x1c"}, {"nul", "\x00"},
			{"byte-order-mark", "\ufeff"}, {"mongolian", "\u180e"}, {"line-separator", "\u2028"},
		}},
	}
}

func composeURI(t map[string]string) string {
	user := t["login"] + t["password"]
	if user != "" {
		user += t["at"]
	}
	return t["before"] + t["type"] + t["separator"] + t["protocol"] + user + t["host"] + t["port"] + t["path"] + t["query"] + t["fragment"] + t["after"]
}
