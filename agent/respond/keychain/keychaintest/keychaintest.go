// Package keychaintest is a keychain for tests: in memory, and it fails when it
// is told to. No program links it.
package keychaintest

import (
	"context"
	"fmt"
	"maps"
	"sync"

	"wormbell/agent/respond/keychain"
	"wormbell/internal/secret"
)

// Store is a keychain in memory. The zero Store is empty and ready. It is safe
// for concurrent use; set its fields before it is used.
type Store struct {
	// Fail is asked before each call, "get", "set" or "delete"; its error is
	// the call's. nil: none fails.
	Fail func(op, service, account string) error

	mu    sync.Mutex
	items map[string]secret.Value // by service and account with a line end between
}

// Get implements [keychain.Store].
func (s *Store) Get(ctx context.Context, service, account string) (secret.Value, error) {
	if err := s.before(ctx, "get", service, account); err != nil {
		return secret.Value{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.items[service+"\n"+account]
	if !ok {
		return secret.Value{}, fmt.Errorf("%w: %s %s", keychain.ErrNotFound, service, account)
	}
	return v, nil
}

// Set implements [keychain.Store].
func (s *Store) Set(ctx context.Context, service, account string, v secret.Value) error {
	if err := s.before(ctx, "set", service, account); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.items == nil {
		s.items = map[string]secret.Value{}
	}
	s.items[service+"\n"+account] = v
	return nil
}

// Delete implements [keychain.Store].
func (s *Store) Delete(ctx context.Context, service, account string) error {
	if err := s.before(ctx, "delete", service, account); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.items, service+"\n"+account)
	return nil
}

// Where implements [keychain.Store].
func (s *Store) Where() string { return "the test's memory" }

// Items returns a copy of what it holds, by service and account with a line
// end between.
func (s *Store) Items() map[string]secret.Value {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.items)
}

func (s *Store) before(ctx context.Context, op, service, account string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.Fail != nil {
		return s.Fail(op, service, account)
	}
	return nil
}
