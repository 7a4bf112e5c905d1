package main

import (
	"math"
	"slices"
	"testing"
	"time"
)

func TestQuantile(t *testing.T) {
	hundred := make(sample, 0, 100)
	for i := 100; i >= 1; i-- {
		hundred = append(hundred, float64(i))
	}
	for _, c := range []struct {
		name string
		in   sample
		q    float64
		want float64
	}{
		{"middle of 100", hundred, 0.5, 50},
		{"99th of 100", hundred, 0.99, 99},
		{"the largest", hundred, 1, 100},
		{"the smallest", hundred, 0, 1},
		{"99th of 200 is the 198th", append(slices.Clone(hundred), hundred...), 0.99, 99},
		{"99th of ten is the largest", sample{9, 1, 2, 3, 4, 5, 6, 7, 8, 10}, 0.99, 10},
		{"only one", sample{7}, 0.5, 7},
	} {
		if got := c.in.quantile(c.q); got != c.want {
			t.Errorf("%s: quantile(%v) = %v, want %v", c.name, c.q, got, c.want)
		}
	}
	if hundred[0] != 100 {
		t.Error("quantile sorted the caller's sample")
	}
	if got := (sample{}).quantile(0.5); !math.IsNaN(got) {
		t.Errorf("quantile of nothing = %v, want NaN", got)
	}
}

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		in   sample
		want float64
	}{{sample{3, 1, 2}, 2}, {sample{4, 1, 3, 2}, 2.5}, {sample{5}, 5}} {
		if got := c.in.median(); got != c.want {
			t.Errorf("median of %v = %v, want %v", c.in, got, c.want)
		}
	}
	if got := (sample{1, 2, 6}).mean(); got != 3 {
		t.Errorf("mean = %v, want 3", got)
	}
	if got := (sample{}).mean(); !math.IsNaN(got) {
		t.Errorf("mean of nothing = %v, want NaN", got)
	}
	if got := (sample{}).median(); !math.IsNaN(got) {
		t.Errorf("median of nothing = %v, want NaN", got)
	}
}

func TestPairs(t *testing.T) {
	on, off := sample{2, 9, 5}, sample{1, 0, 4, 8}
	if got, want := on.ratios(off), (sample{2, 1.25}); !slices.Equal(got, want) {
		t.Errorf("ratios = %v, want %v", got, want)
	}
	if got, want := on.differences(off), (sample{1, 9, 1}); !slices.Equal(got, want) {
		t.Errorf("differences = %v, want %v", got, want)
	}
	if got, want := on.spread("%.0f"), "2 to 9"; got != want {
		t.Errorf("spread = %q, want %q", got, want)
	}
	if got, want := (sample{}).spread("%.0f"), "nothing"; got != want {
		t.Errorf("spread of nothing = %q, want %q", got, want)
	}
}

func TestUnits(t *testing.T) {
	if got := millis(1500 * time.Microsecond); got != 1.5 {
		t.Errorf("millis = %v, want 1.5", got)
	}
	if got := micros(1500 * time.Nanosecond); got != 1.5 {
		t.Errorf("micros = %v, want 1.5", got)
	}
}
