package schema

// crowd is what there is now in the elements of an array, each of them read once;
// nil is none.
type crowd struct {
	list  []present
	below map[string]*crowd // of their properties; nil until one is asked for
}

// property is the same of a property of the elements.
func (c *crowd) property(name string) *crowd {
	if c == nil {
		return nil
	}
	if c.below == nil {
		c.below = map[string]*crowd{}
		for _, element := range c.list {
			for name, v := range element.members() {
				if c.below[name] == nil {
					c.below[name] = &crowd{}
				}
				c.below[name].list = append(c.below[name].list, v)
			}
		}
	}
	return c.below[name]
}
