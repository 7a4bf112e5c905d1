package checkup

import (
	"slices"
	"testing"
)

func TestCompareVersions(t *testing.T) {
	t.Parallel()
	want := []string{"v/node/v4.0.0/bin", "v/node/v18.9.0/bin", "v/node/v18.20.1/bin", "v/node/v018.21.0/bin", "v/node/v22.1.0/bin", "v/node/v99999999999999999999.0/bin", "v/node/x/bin"}
	got := slices.Clone(want)
	slices.Reverse(got)
	slices.SortFunc(got, compareVersions)
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	for _, a := range want {
		if compareVersions(a, a) != 0 {
			t.Errorf("%q is not equal to itself", a)
		}
		for _, b := range want {
			if compareVersions(a, b) != -compareVersions(b, a) {
				t.Errorf("%q and %q have no order", a, b)
			}
		}
	}
}
