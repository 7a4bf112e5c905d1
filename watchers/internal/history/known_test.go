package history

import (
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// known returns a memory of the commands in s, separated by blanks; "a@5" is a
// with the time 5.
func known(f Format, seed maphash.Seed, s string) (*Known, []Entry) {
	k := NewKnown(f, seed)
	var es []Entry
	for _, w := range strings.Fields(s) {
		line, when, _ := strings.Cut(w, "@")
		e := Entry{Line: strings.ReplaceAll(line, "/", "\n")}
		if when != "" {
			var n int64
			fmt.Sscan(when, &n)
			e.When = at(n)
		}
		k.Learn(e)
		es = append(es, e)
	}
	return k, es
}

func TestCompare(t *testing.T) {
	t.Parallel()
	seed := maphash.MakeSeed()
	for _, c := range []struct {
		name, was, is string
		format        Format
		want          string // what is new; "-" if it is another history
	}{
		{"the same", "a b c", "a b c", Zsh, ""},
		{"one more", "a b c", "a b c d", Zsh, "d"},
		{"the last once more", "a b c", "a b c c", Zsh, "c"},
		{"trimmed", "a b c d", "c d e f", Zsh, "e f"},
		{"duplicates at the end", "u ls cd ls", "u ls cd ls ls cd ls", Zsh, "ls cd ls"},
		{"duplicates only", "ls ls", "ls ls ls", Zsh, "ls"},
		{"everything again", "a b c", "a b c a b c", Zsh, "a b c"},
		{"trimmed, everything again", "z a b c", "a b c a b c", Zsh, "a b c"},
		{"one deleted", "a b c d", "a b d", Zsh, ""},
		{"the last deleted", "a b c d", "a b c", Zsh, ""},
		{"the last deleted, one more", "a b c d", "a b c e", Zsh, "e"},
		{"duplicates taken out", "a b a c a", "b c a d", Zsh, "d"},
		{"typed again, the old one taken out", "a b c d", "b c d a", Zsh, "a"},
		{"another shell wrote over it", "a b c x y z", "a b c p q", Zsh, "p q"},
		// Rather one too few than a history that a tool has merged with another.
		{"one put in between", "a b c ls", "a b c p ls", Zsh, ""},
		{"nothing in common", "a b c", "d e f", Zsh, "-"},
		{"little in common", "a b c", "p q r s t a b", Zsh, "-"},
		{"emptied", "a b c", "", Zsh, ""},
		{"from nothing", "", "a b", Zsh, "-"},
		{"times came", "a b c", "a@1 b@1 c@1 d@2", Zsh, "d"},
		{"times went", "a@1 b@2 c@3", "a b c d", Zsh, "d"},
		{"timed, typed twice", "a@1 b@2", "a@1 b@2 a@200 a@201", Fish, "a a"},
		{"timed, sorted in", "a@1 b@150", "a@1 x@140 b@150 y@160", Fish, "x y"},
		{"timed, old ones merged in", "a@1 b@150", "a@1 x@40 b@150 y@160", Fish, "y"},
		{"timed, duplicates taken out", "a@1 b@2 a@3 c@4", "b@2 a@3 c@4 d@105", Fish, "d"},
		{"timed, forgotten ones in front", "c@3 d@4", "a@1 b@2 c@3 d@4 e@105", Fish, "e"},
		{"rows of bash", "a for/do/done b", "a for do done b c/d", Bash, "c/d"},
		{"rows of bash run together", "a@1 b", "a/b@1 c@2", Bash, "c"},
	} {
		k, _ := known(c.format, seed, c.was)
		next, es := known(c.format, seed, c.is)
		news, ok := k.Compare(next, at(100))
		var got []string
		for _, e := range es {
			if e, fresh := news.Of(e); fresh {
				got = append(got, strings.ReplaceAll(e.Line, "\n", "/"))
			}
		}
		if !ok {
			got = append(got, "-")
		}
		if d := cmp.Diff(strings.Join(got, " "), c.want); d != "" {
			t.Errorf("%s: %q, then %q: (-got +want)\n%s", c.name, c.was, c.is, d)
		}
	}
}

// TestCompareTrimmed: histories drawn by lot, trimmed in front and gone on
// with: all that is new and nothing else.
func TestCompareTrimmed(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(1, 2))
	seed := maphash.MakeSeed()
	for range 2000 {
		word := func() Entry { return Entry{Line: fmt.Sprint("c", int(rnd.ExpFloat64()*20))} }
		var was []Entry
		for range 20 + rnd.IntN(200) {
			was = append(was, word())
		}
		is := slices.Clone(was[rnd.IntN(len(was)/2):])
		kept := len(is)
		for range rnd.IntN(20) {
			is = append(is, word())
		}
		k, next := NewKnown(Zsh, seed), NewKnown(Zsh, seed)
		for _, e := range was {
			k.Learn(e)
		}
		for _, e := range is {
			next.Learn(e)
		}
		news, ok := k.Compare(next, at(0))
		if !ok {
			t.Fatal("not recognised")
		}
		for i, e := range is {
			if _, fresh := news.Of(e); fresh != (i >= kept) {
				t.Fatalf("row %d of %d, the first new one is %d: new is %v\nwas %v\nis %v", i, len(is), kept, fresh, was, is)
			}
		}
	}
}

func TestKnownIsBounded(t *testing.T) {
	t.Parallel()
	k := NewKnown(Bash, maphash.MakeSeed())
	next := k.Next()
	for i := range 4 * MaxKnown {
		e := Entry{Line: fmt.Sprint("command ", i)}
		k.Learn(e)
		next.Learn(e)
	}
	if k.Len() > MaxKnown*5/4 {
		t.Errorf("%d rows are remembered", k.Len())
	}
	next.Learn(Entry{Line: "new"})
	news, ok := k.Compare(next, at(0))
	if !ok || news.Len() != 1 {
		t.Fatalf("%d rows are new, %v", news.Len(), ok)
	}
	for i := range 4 * MaxKnown {
		if e, fresh := news.Of(Entry{Line: fmt.Sprint("command ", i)}); fresh {
			t.Fatalf("%q is new", e.Line)
		}
	}
	if _, fresh := news.Of(Entry{Line: "new"}); !fresh {
		t.Error("the new one is not")
	}
}

func TestLeft(t *testing.T) {
	t.Parallel()
	seed := maphash.MakeSeed()
	k, _ := known(Zsh, seed, "a b c d e")
	next, _ := known(Zsh, seed, "a b")
	news, ok := k.Compare(next, at(0))
	if !ok || news.Len() != 0 {
		t.Fatalf("%d rows are new, %v", news.Len(), ok)
	}
	left := news.Left()
	for _, c := range []struct {
		line string
		want bool
	}{{"c", true}, {"d", true}, {"x", false}, {"e", false}} {
		if got := left.Next(next, Entry{Line: c.line}); got != c.want {
			t.Errorf("%q: %v, want %v", c.line, got, c.want)
		}
	}
}
