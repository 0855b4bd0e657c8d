package main

import (
	"fmt"
	"strings"

	sd "github.com/coreos/go-systemd/v22/daemon"
)

// tell tells the service manager how the mount is doing, if one started us and
// listens (NOTIFY_SOCKET). Only mount -f does: a daemon in the background is its
// supervisor's.
func (d *daemon) tell(state ...string) {
	if !d.foreground {
		return
	}
	if _, err := sd.SdNotify(false, strings.Join(state, "\n")); err != nil {
		d.log.Warn("the service manager was not told", "state", state[0], "err", err)
	}
}

func (d *daemon) tellReady() {
	d.tell(sd.SdNotifyReady, fmt.Sprintf("STATUS=serving %s, lane %s", d.s.Dir, d.server.Load().Status().Lane))
}

// tellReloading gives the time too, which Type=notify-reload wants.
func (d *daemon) tellReloading() { d.tell(sd.SdNotifyReloading, sd.SdNotifyMonotonicUsec()) }

func (d *daemon) tellStopping() { d.tell(sd.SdNotifyStopping, "STATUS=unmounting "+d.s.Dir) }
