package color

// matrix returns the 3×4 transform of a BGR pixel that does saturation, tint,
// contrast and brightness, one after the other: all four are linear, so that one
// pass over the picture is enough.
func (c *Config) matrix() [3][4]float64 {
	luma := [3]float64{0.114, 0.587, 0.299} // of B, G and R, by BT.601
	tint := [3]float64{float64(c.Tint.B) / 255, float64(c.Tint.G) / 255, float64(c.Tint.R) / 255}
	const middle = 127.5
	var m [3][4]float64
	for row := range m {
		for col := range luma {
			v := (1 - c.Saturation) * luma[col]
			if row == col {
				v += c.Saturation
			}
			m[row][col] = v * tint[row] * c.Contrast
		}
		m[row][3] = middle*(1-c.Contrast) + 255*c.Brightness
	}
	return m
}
