//go:build !linux

package main

import "github.com/rogpeppe/go-internal/testscript"

var scriptCommands map[string]func(ts *testscript.TestScript, neg bool, args []string)

func setUp(*testscript.Env) error { return nil }

func ownNamespace() {}

func outerIsHost() bool { return false }
