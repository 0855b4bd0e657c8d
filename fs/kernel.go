package fs

// Feature is something of the kernel that a lane or a promise depends on.
type Feature struct {
	Name  string `json:"name"`
	Since string `json:"since"`         // the release that it came with
	Have  bool   `json:"have"`          // found by trying
	Why   string `json:"why,omitempty"` // why not
	Gives string `json:"gives"`         // what it is for
}

// Kernel is what this kernel lets this process do.
type Kernel struct {
	Release  string    `json:"release"`
	FUSE     string    `json:"fuse_protocol,omitempty"` // 7.45; "" where it could not be asked
	Features []Feature `json:"features"`
}

// Feature returns the feature of a name, the zero value if there is none.
func (k *Kernel) Feature(name string) Feature {
	for _, f := range k.Features {
		if f.Name == name {
			return f
		}
	}
	return Feature{}
}
