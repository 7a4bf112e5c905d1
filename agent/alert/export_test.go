package alert

// OpenWith is Open as of a version that knows these schemas.
func OpenWith(cfg Config, schemas []string) (*Store, error) { return open(cfg, schemas) }

// Schemas are those of this version.
func Schemas() []string { return schemas }
