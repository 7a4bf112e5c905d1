package dashboard

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"net/http"

	"wormbell/internal/exposure"
)

// This file has one alert as a file to keep or to send.

// reportHTML is the alert as a page that stands on its own.
func (s *Server) reportHTML(w http.ResponseWriter, r *http.Request) error {
	_, a, err := s.find(r)
	if err != nil {
		return err
	}
	v := s.view(r, a, reportTime)
	v.Kept = true
	for i := range v.Events { // it is read on other days
		v.Events[i].Day = s.day(v.Events[i].Time)
	}
	v.Text = exposure.Report(a, v.Exposed, exposure.Header{Host: s.c.Host, Zone: s.c.Zone})
	style, err := staticFiles.ReadFile("static/style.css")
	if err != nil {
		return fmt.Errorf("read the style: %w", err)
	}
	var b bytes.Buffer
	data := struct {
		alertView
		Lang  string
		Style template.CSS // our own file
	}{v, s.c.Words.Tag(), template.CSS(style)}
	if err := s.pages["report"].ExecuteTemplate(&b, "report", data); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="wormbell-`+a.ID+`.html"`)
	w.Write(b.Bytes())
	return nil
}

// reportJSON is the alert as `wormbell alert show --json` writes it.
func (s *Server) reportJSON(w http.ResponseWriter, r *http.Request) error {
	_, a, err := s.find(r)
	if err != nil {
		return err
	}
	v := s.view(r, a, reportTime)
	one, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	two, err := json.Marshal(v.Exposed)
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	head, ok := bytes.CutSuffix(one, []byte("}"))
	if !ok {
		return errors.New("an alert is no JSON object")
	}
	var b bytes.Buffer
	if err := json.Indent(&b, fmt.Appendf(nil, `%s,"exposure":%s}`, head, two), "", "  "); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Disposition", `attachment; filename="wormbell-`+a.ID+`.json"`)
	w.Write(b.Bytes())
	return nil
}
