package respond

import "errors"

func dataFIFO(string) error { return errors.ErrUnsupported }
