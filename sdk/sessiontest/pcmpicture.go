package sessiontest

// pcmPicture writes RGB as an H.264 access unit whose macroblocks are not
// compressed (I_PCM): what any decoder plays and nothing has to be searched for.
// Odd sizes are padded by repeating the last row and column.
func pcmPicture(width, height int, rgb []byte) []byte {
	even := func(n int) int { return n + n&1 }
	columns, rows := (width+15)/16, (height+15)/16
	au := annexB(7, pcmSPS(columns, rows, even(width), even(height)))
	au = append(au, annexB(8, pcmPPS())...)
	var s bitWriter
	s.ue(0)   // first_mb_in_slice
	s.ue(7)   // slice_type: all I
	s.ue(0)   // pic_parameter_set_id
	s.u(4, 0) // frame_num
	s.ue(0)   // idr_pic_id
	s.u(1, 0) // no_output_of_prior_pics_flag
	s.u(1, 0) // long_term_reference_flag
	s.ue(0)   // slice_qp_delta
	s.ue(1)   // disable_deblocking_filter_idc: none
	at := func(x, y int) (r, g, b int) {
		x, y = min(x, width-1), min(y, height-1)
		p := rgb[3*(y*width+x):]
		return int(p[0]), int(p[1]), int(p[2])
	}
	for row := range rows {
		for column := range columns {
			s.ue(25) // mb_type: I_PCM
			s.align()
			macroblock(&s, 16*column, 16*row, at)
		}
	}
	return append(au, annexB(5, s.end())...)
}

// macroblock appends 16×16 luma and twice 8×8 chroma samples, BT.601 limited.
func macroblock(s *bitWriter, left, top int, at func(x, y int) (r, g, b int)) {
	for y := range 16 {
		for x := range 16 {
			r, g, b := at(left+x, top+y)
			s.bytes = append(s.bytes, byte((66*r+129*g+25*b+128)>>8+16))
		}
	}
	for _, c := range [][3]int{{-38, -74, 112}, {112, -94, -18}} {
		for y := range 8 {
			for x := range 8 {
				r, g, b := at(left+2*x, top+2*y)
				s.bytes = append(s.bytes, byte((c[0]*r+c[1]*g+c[2]*b+128)>>8+128))
			}
		}
	}
}

// pcmSPS is a sequence parameter set of the baseline profile (ITU-T H.264,
// section 7.3.2.1.1).
func pcmSPS(columns, rows, width, height int) []byte {
	const level = 51 // bounds nothing here
	var s bitWriter
	s.u(8, 66)    // profile_idc
	s.u(8, 0xc0)  // constraint_set0, 1
	s.u(8, level) // level_idc
	s.ue(0)       // seq_parameter_set_id
	s.ue(0)       // log2_max_frame_num_minus4
	s.ue(2)       // pic_order_cnt_type: that of decoding
	s.ue(0)       // max_num_ref_frames
	s.u(1, 0)     // gaps_in_frame_num_value_allowed_flag
	s.ue(columns - 1)
	s.ue(rows - 1)
	s.u(1, 1) // frame_mbs_only_flag
	s.u(1, 0) // direct_8x8_inference_flag
	right, bottom := (16*columns-width)/2, (16*rows-height)/2
	s.flag(right+bottom > 0) // frame_cropping_flag
	if right+bottom > 0 {
		s.ue(0)
		s.ue(right)
		s.ue(0)
		s.ue(bottom)
	}
	s.u(1, 0) // vui_parameters_present_flag
	return s.end()
}

func pcmPPS() []byte {
	var s bitWriter
	s.ue(0)   // pic_parameter_set_id
	s.ue(0)   // seq_parameter_set_id
	s.u(1, 0) // entropy_coding_mode_flag: CAVLC
	s.u(1, 0) // bottom_field_pic_order_in_frame_present_flag
	s.ue(0)   // num_slice_groups_minus1
	s.ue(0)   // num_ref_idx_l0_default_active_minus1
	s.ue(0)   // num_ref_idx_l1_default_active_minus1
	s.u(1, 0) // weighted_pred_flag
	s.u(2, 0) // weighted_bipred_idc
	s.ue(0)   // pic_init_qp_minus26
	s.ue(0)   // pic_init_qs_minus26
	s.ue(0)   // chroma_qp_index_offset
	s.u(1, 1) // deblocking_filter_control_present_flag
	s.u(1, 0) // constrained_intra_pred_flag
	s.u(1, 0) // redundant_pic_cnt_present_flag
	return s.end()
}

// annexB is a unit with its start code; no three bytes of it look like one.
func annexB(kind byte, payload []byte) []byte {
	const referenced = 3 << 5
	out := []byte{0, 0, 0, 1, referenced | kind}
	zeros := 0
	for _, b := range payload {
		if zeros >= 2 && b <= 3 {
			out = append(out, 3)
			zeros = 0
		}
		out = append(out, b)
		if b == 0 {
			zeros++
		} else {
			zeros = 0
		}
	}
	return out
}

// bitWriter writes the syntax elements of H.264, section 7.2.
type bitWriter struct {
	bytes []byte
	free  uint // bits of the last byte
}

func (w *bitWriter) u(bits int, v int) {
	for i := bits - 1; i >= 0; i-- {
		if w.free == 0 {
			w.bytes, w.free = append(w.bytes, 0), 8
		}
		w.free--
		w.bytes[len(w.bytes)-1] |= byte(v>>i&1) << w.free
	}
}

func (w *bitWriter) flag(set bool) {
	if set {
		w.u(1, 1)
		return
	}
	w.u(1, 0)
}

// ue is an unsigned Exp-Golomb code.
func (w *bitWriter) ue(v int) {
	bits := 0
	for n := v + 1; n > 1; n >>= 1 {
		bits++
	}
	w.u(bits, 0)
	w.u(bits+1, v+1)
}

// align fills the last byte with zeros.
func (w *bitWriter) align() { w.free = 0 }

// end is the payload with its trailing bits.
func (w *bitWriter) end() []byte {
	w.u(1, 1)
	w.align()
	return w.bytes
}
