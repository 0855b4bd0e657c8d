package main

import (
	"slices"
	"strings"

	"artifactfs.dev/artifactfs/cmd/artifactfs/config"
)

// helper is the program that mount(8) and umount(8) run for file systems of type
// fuse.artifactfs: this binary under another name.
type helper string

const (
	noHelper     helper = ""
	mountHelper  helper = "mount"
	umountHelper helper = "umount"
)

func helperOf(argv0 string) helper {
	switch {
	case strings.HasPrefix(argv0, "mount."):
		return mountHelper
	case strings.HasPrefix(argv0, "umount."):
		return umountHelper
	}
	return noHelper
}

// helperArgs turns what a helper is called with into our own arguments:
//
//	mount.fuse.artifactfs SOURCE DIR [-sfnv] [-N NAMESPACE] [-o OPTIONS] [-t TYPE]
//	umount.fuse.artifactfs DIR [-nlfvr] [-N NAMESPACE] [-t TYPE]
//
// SOURCE is a manifest root, or a word such as "artifactfs" or "none".
func helperArgs(argv0 string, args []string) []string {
	h := helperOf(argv0)
	if h == noHelper {
		return args
	}
	out, plain := []string{string(h)}, 0
	for i := 0; i < len(args); i++ {
		switch arg := args[i]; {
		case arg == "-o" || arg == "-t" || arg == "-N":
			if i++; arg == "-o" && i < len(args) {
				out = append(out, "-o", args[i])
			}
		case strings.HasPrefix(arg, "-") && h == mountHelper:
			if strings.Contains(arg, "f") && !strings.HasPrefix(arg, "--") { // mount --fake, not our --foreground
				out = append(out, "--fake")
			}
		case strings.HasPrefix(arg, "-"):
			if arg == "--lazy" || !strings.HasPrefix(arg, "--") && strings.Contains(arg, "l") {
				out = append(out, "--lazy")
			} else if arg == "--force" || strings.Contains(arg, "f") && !strings.HasPrefix(arg, "--") {
				out = append(out, "--force")
			}
		case h == mountHelper && plain == 0:
			plain++
			if strings.Contains(arg, "/") {
				out = append(out, "artifacts.manifest.root="+arg)
			}
			// mount -a compares what stands in fstab with the mount's source.
			out = append(out, "-o", "fsname="+arg)
		default:
			out = append(out, arg)
		}
	}
	return out
}

// helperExit is the exit code as mount(8) and umount(8) hand it on.
func helperExit(argv0 string, code int) int {
	switch {
	case helperOf(argv0) == noHelper || code == 0:
		return code
	case code == 2:
		return 1 // incorrect invocation
	}
	return 32 // mount failure
}

// parseOptions sorts what came with -o into our own settings, flags, and what
// every mount has and means nothing here.
func (m *mountFlags) parseOptions() (dotlist []string, err error) {
	for _, group := range m.options {
		if name, ok := strings.CutPrefix(group, "fsname="); ok { // whole: it may hold a comma
			m.source = name
			continue
		}
		for _, o := range splitOptions(group) {
			key, value, hasValue := strings.Cut(o, "=")
			switch {
			case o == "" || ignoredOption[key] || strings.HasPrefix(key, "x-") || strings.HasPrefix(key, "x."):
			case o == "allow_other":
				m.allowOther = true
			case o == "ro", o == "rw":
				m.readOnly = o == "ro"
			case o == "noexec", o == "exec":
				m.noExec = o == "noexec"
			case o == "debug":
				m.debug = true
			case hasValue && key == "config":
				m.config = value
			case hasValue && key == "job":
				m.job = value
			case hasValue && key == "log_file":
				m.logFile = value
			case hasValue && strings.Contains(key, "."):
				dotlist = append(dotlist, o)
			case hasValue && slices.Contains(config.Keys(), "artifactfs."+key): // data=copy, short for artifactfs.data=copy
				dotlist = append(dotlist, "artifactfs."+o)
			default:
				return nil, usagef("-o %s: no such option; settings are written artifactfs.data=copy", o)
			}
		}
	}
	return dotlist, nil
}

// splitOptions splits at commas outside brackets: data_roots=[/a,/b] is one.
func splitOptions(s string) []string {
	var out []string
	depth, start := 0, 0
	for i, r := range s {
		switch r {
		case '[', '{':
			depth++
		case ']', '}':
			depth--
		case ',':
			if depth == 0 {
				out = append(out, s[start:i])
				start = i + 1
			}
		}
	}
	return append(out, s[start:])
}

var ignoredOption = map[string]bool{
	"defaults": true, "nosuid": true, "nodev": true, "dev": true, "suid": true,
	"noatime": true, "relatime": true, "nodiratime": true, "strictatime": true, "lazytime": true, "async": true, "sync": true, "dirsync": true,
	"auto": true, "noauto": true, "user": true, "nouser": true, "users": true, "owner": true, "group": true,
	"_netdev": true, "nofail": true, "comment": true, "context": true, "subtype": true, "default_permissions": true, "silent": true, "loud": true,
}
