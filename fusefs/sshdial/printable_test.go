package sshdial

import (
	"strings"
	"testing"
)

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"plain é 日本":          "plain é 日本",
		"a\r\nb\tc":           "a\nb c",
		"\x1b[31m\x07\x00":    "?[31m??",
		"\u202egnp.exe\u00ad": "?gnp.exe?",
		"\xff\xfe":            "??",
	} {
		if got := printable(in); got != want {
			t.Errorf("%q became %q; want %q", in, got, want)
		}
	}
	if got := printable(strings.Repeat("x", 1<<20)); len(got) > maxPrintable+3 {
		t.Errorf("%d bytes", len(got))
	}
}
