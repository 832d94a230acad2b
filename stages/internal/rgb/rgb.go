// Package rgb is colours as people write them in a pipeline's file.
package rgb

import (
	"encoding/hex"
	"fmt"
	"image/color"
)

// Color is a colour such as "#ffcc88".
type Color struct {
	R, G, B uint8
}

// UnmarshalText reads a colour.
func (c *Color) UnmarshalText(text []byte) error {
	if len(text) != len("#rrggbb") || text[0] != '#' {
		return fmt.Errorf(`must be a colour such as "#ffcc88", got %q`, text)
	}
	b, err := hex.DecodeString(string(text[1:]))
	if err != nil {
		return fmt.Errorf(`must be a colour such as "#ffcc88", got %q`, text)
	}
	*c = Color{b[0], b[1], b[2]}
	return nil
}

// String returns the colour as it is read.
func (c Color) String() string { return fmt.Sprintf("#%02x%02x%02x", c.R, c.G, c.B) }

// RGBA returns the colour as package image/color has it.
func (c Color) RGBA() color.RGBA { return color.RGBA{c.R, c.G, c.B, 255} }
