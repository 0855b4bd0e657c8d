package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// manCmd writes the manual pages, made of the commands themselves: `make man`.
func (a *app) manCmd() *cobra.Command {
	return &cobra.Command{
		Use:    "man DIR",
		Short:  "Write the manual pages into DIR",
		Hidden: true,
		Args:   args(1, 1, "one directory"),
		RunE: func(c *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return err
			}
			return writeMan(c.Root(), args[0])
		},
	}
}

// writeMan writes a page for every command that help shows.
func writeMan(root *cobra.Command, dir string) error {
	for _, c := range append([]*cobra.Command{root}, root.Commands()...) {
		if c != root && (!c.IsAvailableCommand() || c.Name() == "help") {
			continue
		}
		page, err := manPage(c)
		if err != nil {
			return fmt.Errorf("the page of %s: %w", c.CommandPath(), err)
		}
		name := strings.ReplaceAll(c.CommandPath(), " ", "-") + ".1"
		if err := os.WriteFile(filepath.Join(dir, name), page, 0o644); err != nil {
			return err
		}
		if c.HasAvailableSubCommands() && c != root {
			if err := writeMan(c, dir); err != nil { // its own page again, and those below
				return err
			}
		}
	}
	return nil
}

// manPage is what cobra makes of a command, with the sections that it does not know.
func manPage(c *cobra.Command) ([]byte, error) {
	page := *c
	page.Long = manText(c.Long)
	page.DisableAutoGenTag = true
	var b bytes.Buffer
	header := &doc.GenManHeader{Section: "1", Source: "artifactfs " + thisBuild().Version, Manual: "artifactfs", Date: sourceDate()}
	if err := doc.GenMan(&page, header, &b); err != nil {
		return nil, err
	}
	before, after, ok := strings.Cut(b.String(), ".SH SEE ALSO")
	if ok {
		after = ".SH SEE ALSO" + after
	}
	return []byte(before + manSections(c) + after), nil
}

// manText has indented lines stay as they are: the rest is taken for Markdown.
func manText(long string) string {
	var b strings.Builder
	code := false
	for line := range strings.Lines(long) {
		if indented := strings.HasPrefix(line, "  "); indented != code {
			code = indented
			b.WriteByte('\n')
		}
		if code {
			b.WriteString("  ")
		}
		b.WriteString(line)
	}
	return b.String()
}

// sourceDate is today, or what a build that can be repeated sets.
func sourceDate() *time.Time {
	now := time.Now()
	if sec, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64); err == nil {
		now = time.Unix(sec, 0).UTC()
	}
	return &now
}

// term is an entry of a section, and what it means.
type manTerm struct{ term, means string }

// wrong are the commands that exit with 1 for what they find, too.
var wrong = map[string]string{
	"verify": "or a version is missing, changed, broken or unreachable",
	"doctor": "or something that was looked at fails",
	"status": "or the mount does not serve",
	"warm":   "or a version could not be bound or fetched",
}

func manSections(c *cobra.Command) string {
	failed := "It failed; standard error says why."
	if more := wrong[c.Name()]; more != "" {
		failed = "It failed, " + more + "."
	}
	exit := []manTerm{{"0", "Success."}, {"1", failed}, {"2", "The command line could not be understood."}}
	if c.Name() == "mount" || c.Name() == "umount" {
		exit = append(exit, manTerm{"32", "It failed, as the helper of mount(8) or umount(8)."})
	}
	return manSection("EXIT STATUS", exit) + manSection("ENVIRONMENT", manEnvironment) + manSection("FILES", manFiles)
}

var manEnvironment = []manTerm{
	{"NEMOTRON_ENV_FILE", "The env.toml to read, instead of the first one from the current directory upward."},
	{"NEMO_EXPERIMENT_ID", "The producer in records that are logged; \"local\" if it is not set."},
	{"ARTIFACTFS_RUN_DIR", "Where the state of mounts is kept, instead of /run/artifactfs or XDG_RUNTIME_DIR/artifactfs."},
	{"XDG_STATE_HOME", "Where daemons log, and where lies what is on its way to W&B, instead of /var/log/artifactfs and /var/lib/artifactfs, or ~/.local/state/artifactfs."},
	{"WANDB_RUN_ID, WANDB_TAGS", "The run that logs a version to W&B, if W&B has it, else the tags of the run that is made."},
	{"XDG_DATA_HOME", "Where the store lies that is used when nothing is configured; ~/.local/share if it is not set."},
	{"NOTIFY_SOCKET, JOURNAL_STREAM", "Set by systemd: mount -f says when the tree can be read, and logs for the journal."},
}

var manFiles = []manTerm{
	{"env.toml", "The configuration; see the README for its keys."},
	{"ROOT/NAME/vN/manifest.json", "The record of a version, as upstream's code writes and reads it."},
	{"ROOT/.artifactfs", "What records have no place for: who logged what, retired versions, locks."},
	{"DIR/.artifactfs", "A mount about itself: status, config, metrics, events; and log, refresh and warm, to be written to."},
	{"/var/lib/artifactfs/outbox", "What is on its way to W&B: root's; that of others is in XDG_STATE_HOME."},
	{"/run/artifactfs", "Which mounts there are, and who serves them."},
	{"/etc/fuse.conf", "user_allow_other lets users share their mounts."},
}

func manSection(title string, terms []manTerm) string {
	var b strings.Builder
	fmt.Fprintf(&b, ".SH %s\n", title)
	for _, t := range terms {
		fmt.Fprintf(&b, ".TP\n\\fB%s\\fP\n%s\n", roff(t.term), roff(t.means))
	}
	return b.String()
}

// roff escapes what roff takes for its own.
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, `-`, `\-`).Replace(s)
	if strings.HasPrefix(s, ".") || strings.HasPrefix(s, "'") {
		s = `\&` + s
	}
	return s
}
