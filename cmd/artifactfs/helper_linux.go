package main

import (
	"strings"
)

// helperArgs lets the binary be mount(8)'s helper under another name:
// mount.fuse.artifactfs SOURCE DIR [-o options], and umount.fuse.artifactfs DIR.
// SOURCE is a manifest root, or a word such as "artifactfs" or "none".
func helperArgs(argv0 string, args []string) []string {
	switch {
	case strings.HasPrefix(argv0, "mount."):
		out := []string{"mount"}
		plain := 0
		for i := 0; i < len(args); i++ {
			switch arg := args[i]; {
			case arg == "-o" || arg == "-t":
				i++
				if arg == "-o" && i < len(args) {
					out = append(out, "-o", args[i])
				}
			case strings.HasPrefix(arg, "-"): // -n, -s, -v, -w: mount(8)'s own
			case plain == 0:
				plain++
				if strings.Contains(arg, "/") {
					out = append(out, "artifacts.manifest.root="+arg)
				}
			default:
				out = append(out, arg)
			}
		}
		return out
	case strings.HasPrefix(argv0, "umount."):
		out := []string{"umount"}
		for _, arg := range args {
			switch {
			case arg == "-l" || arg == "--lazy" || !strings.HasPrefix(arg, "-"):
				out = append(out, arg)
			case arg == "-f":
				out = append(out, "--force")
			}
		}
		return out
	}
	return args
}

// parseOptions sorts what came with -o into our own settings, flags, and what
// every mount has and means nothing here.
func (m *mountFlags) parseOptions() (dotlist []string, err error) {
	for _, group := range m.options {
		for _, o := range splitOptions(group) {
			key, _, hasValue := strings.Cut(o, "=")
			switch {
			case o == "" || ignoredOption[key] || strings.HasPrefix(key, "x-") || strings.HasPrefix(key, "x."):
			case o == "allow_other":
				m.allowOther = true
			case o == "debug":
				m.debug = true
			case hasValue && strings.Contains(key, "."):
				dotlist = append(dotlist, o)
			case hasValue && knownOwn(key): // data=copy, short for artifactfs.data=copy
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
	"defaults": true, "ro": true, "rw": true, "nosuid": true, "nodev": true, "dev": true, "suid": true, "exec": true, "noexec": true,
	"noatime": true, "relatime": true, "nodiratime": true, "strictatime": true, "lazytime": true, "async": true, "sync": true, "dirsync": true,
	"auto": true, "noauto": true, "user": true, "nouser": true, "users": true, "owner": true, "group": true,
	"_netdev": true, "nofail": true, "comment": true, "context": true,
}

func knownOwn(key string) bool {
	switch key {
	case "data", "data_roots", "uid", "gid", "umask", "ttl", "deadline", "log_level":
		return true
	}
	return false
}
