//go:build linux && !race

package acceptance

const raceEnabled = false
