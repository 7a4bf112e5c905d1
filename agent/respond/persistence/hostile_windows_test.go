package persistence_test

import "errors"

func mkfifo(string) error { return errors.New("there are none here") }
