package cli

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"wormbell"
	"wormbell/agent/respond"
	"wormbell/agent/respond/incident"
	"wormbell/agent/respond/persistence"
	"wormbell/internal/exposure"
)

// publishedMargin is how long before an alert's first finding a version may
// have been published by the same worm.
const publishedMargin = 10 * time.Minute

// reach fills in what only the person's files and the services can tell: the
// variables that shells export, and, if online, what the exposed tokens can do
// and which versions were published meanwhile.
func (a *app) reach(online bool) func(context.Context, wormbell.Alert, *exposure.Exposure) error {
	return func(ctx context.Context, alert wormbell.Alert, x *exposure.Exposure) error {
		t := a.newTypist(responding{})
		if online {
			a.hide()
		}
		if alert.Demo { // nothing of the person's was in its reach
			return nil
		}
		m, err := a.machine(t)
		if err != nil {
			return err
		}
		var names []string
		for _, p := range x.Published {
			if p.Package != nil {
				names = append(names, p.Package.Name)
			}
		}
		var errs []error
		c, err := a.dial(ctx)
		if err != nil {
			return err
		}
		if x.Unwatched, err = unwatched(ctx, c, m.Home); err != nil {
			errs = append(errs, err)
		}
		exported, err := respond.FindExported(ctx, m, nil)
		errs = append(errs, err)
		for _, e := range exported {
			// What a program that the worm started inherited, if the alert knows; else all.
			if e.Exported && (len(x.Variables) == 0 || slices.ContainsFunc(x.Variables, func(v exposure.Variable) bool { return v.Name == e.Name })) {
				x.Exported = append(x.Exported, exposure.Exported{Name: e.Name, Path: e.Path, Line: e.Line})
			}
		}
		if !online {
			return errors.Join(errs...)
		}
		// Preparing an answer finds the tokens, tells the agent of it, and changes nothing.
		response, err := incident.Prepare(ctx, incident.Config{Machine: m, Agent: c, Alert: &alert, Look: lookNowhere})
		if err != nil {
			return errors.Join(append(errs, err)...)
		}
		for _, token := range slices.Concat(response.Tokens, response.Replaced) {
			row := tokenRow{Token: token}
			row.ask(ctx, m, askWithin)
			r := exposure.Reach{Kind: respond.ByID(token.Kind).Title, Owner: row.Owner, Where: token.Name, Can: row.Reach}
			if len(token.Places) > 0 {
				r.Where = token.Places[0].String()
			}
			switch {
			case row.Answer == respond.Dead.String():
				r.Why = "its service refuses it"
			case row.Answer != respond.Alive.String():
				r.Why = "its service could not be asked"
			case len(row.Reach) == 0:
				r.Can = row.Scopes
			}
			x.Reach = append(x.Reach, r)
			versions, err := respond.PublishedSince(ctx, m, token, alert.First.Add(-publishedMargin), names...)
			errs = append(errs, err)
			for _, v := range versions {
				tried := slices.ContainsFunc(x.Published, func(p exposure.Published) bool {
					return p.Package != nil && p.Package.Name == v.Name && p.Package.Version == v.Version
				})
				x.Versions = append(x.Versions, exposure.Version{Package: wormbell.Package{Ecosystem: "npm", Name: v.Name, Version: v.Version}, Registry: v.Registry, Time: v.Time, By: v.By,
					Earlier: v.Time.Before(alert.First) && !tried})
			}
		}
		for _, p := range response.Problems {
			errs = append(errs, errors.New(strings.TrimSpace(p)))
		}
		return errors.Join(errs...)
	}
}

// lookNowhere stands in for looking for persistence where nothing is revoked.
func lookNowhere(context.Context, persistence.Config) (persistence.Report, error) {
	return persistence.Report{Traps: []persistence.Trap{}, NotLooked: []string{}}, nil
}
