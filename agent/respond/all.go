package respond

// All are the kinds of credentials that can be responded to, in the order in
// which worms use what they steal.
var All = append([]Kind{
	npmKind(),
	github(),
	awsKind(), awsssoKind(), googleKind(), googlesaKind(),
	gitlab(),
}, dataKinds()...)

// ByID returns the kind with this ID, or nil.
func ByID(id string) *Kind {
	for i := range All {
		if All[i].ID == id {
			return &All[i]
		}
	}
	return nil
}
