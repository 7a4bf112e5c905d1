package main

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// sample is what one measurement saw, in any order.
type sample []float64

// quantile returns the smallest value that at least q of the sample does not
// exceed (the nearest rank), NaN for an empty one.
func (s sample) quantile(q float64) float64 {
	if len(s) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(s))
	i := int(math.Ceil(q*float64(len(sorted)))) - 1
	return sorted[min(max(i, 0), len(sorted)-1)]
}

// median returns the middle value, the mean of the two middle ones if there
// are two, NaN for an empty sample.
func (s sample) median() float64 {
	if len(s) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(s))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// mean returns the arithmetic mean, NaN for an empty sample.
func (s sample) mean() float64 {
	sum := 0.0
	for _, v := range s {
		sum += v
	}
	return sum / float64(len(s))
}

// spread says from where to where the sample goes.
func (s sample) spread(format string) string {
	if len(s) == 0 {
		return "nothing"
	}
	return fmt.Sprintf(format+" to "+format, slices.Min(s), slices.Max(s))
}

// ratios divides each value of s by the one of base in the same place, where
// both are there and base is not zero: the pairs of an A B A B run.
func (s sample) ratios(base sample) (r sample) {
	for i := range min(len(s), len(base)) {
		if base[i] != 0 {
			r = append(r, s[i]/base[i])
		}
	}
	return r
}

// differences subtracts the value of base in the same place from each of s.
func (s sample) differences(base sample) (d sample) {
	for i := range min(len(s), len(base)) {
		d = append(d, s[i]-base[i])
	}
	return d
}

// millis and micros turn a duration into a number with that unit.
func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
