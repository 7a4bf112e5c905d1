package installer

import (
	"encoding/xml"
	"strconv"
	"strings"
)

// A property list of launchd, launchd.plist(5). Keys are in the order they are
// written in.
type pair struct {
	key   string
	value any // string, bool, int, []string or []pair
}

// daemonPlist is the agent's. launchd starts it at boot and whenever it has ended.
func daemonPlist(program, state string) string {
	return plist([]pair{
		{"Label", LaunchdLabel},
		{"ProgramArguments", []string{program, "--state", state}},
		{"RunAtLoad", true},
		{"KeepAlive", true},
		{"ThrottleInterval", 1},        // the default, 10 s, is long without a guard
		{"ProcessType", "Interactive"}, // a background process is held back, and what opens a file may wait for us
		{"SoftResourceLimits", []pair{{"NumberOfFiles", 65536}}},
		{"StandardErrorPath", "/var/log/wormbelld.log"},
	})
}

// agentPlist is the tray's, for everybody who logs in on the screen.
func agentPlist(program string) string {
	return plist([]pair{
		{"Label", launchdTray},
		{"ProgramArguments", []string{program}},
		{"RunAtLoad", true},
		{"KeepAlive", []pair{{"SuccessfulExit", false}}}, // who quits the tray means it
		{"LimitLoadToSessionType", "Aqua"},
		{"ProcessType", "Interactive"},
	})
}

func plist(pairs []pair) string {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` + "\n" +
		`<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">` + "\n" +
		`<plist version="1.0">` + "\n")
	dict(&b, pairs, "")
	b.WriteString("</plist>\n")
	return b.String()
}

func dict(b *strings.Builder, pairs []pair, indent string) {
	b.WriteString(indent + "<dict>\n")
	for _, p := range pairs {
		b.WriteString(indent + "\t<key>" + escape(p.key) + "</key>\n")
		value(b, p.value, indent+"\t")
	}
	b.WriteString(indent + "</dict>\n")
}

func value(b *strings.Builder, v any, indent string) {
	switch v := v.(type) {
	case string:
		b.WriteString(indent + "<string>" + escape(v) + "</string>\n")
	case bool:
		name := "false"
		if v {
			name = "true"
		}
		b.WriteString(indent + "<" + name + "/>\n")
	case int:
		b.WriteString(indent + "<integer>" + strconv.Itoa(v) + "</integer>\n")
	case []string:
		b.WriteString(indent + "<array>\n")
		for _, s := range v {
			value(b, s, indent+"\t")
		}
		b.WriteString(indent + "</array>\n")
	case []pair:
		dict(b, v, indent)
	}
}

func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a strings.Builder takes everything
	return b.String()
}
