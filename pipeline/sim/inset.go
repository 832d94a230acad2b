package sim

import (
	"context"
	"fmt"
	"image"

	"gocv.io/x/gocv"

	"github.com/reactorpipe/reactorpipe/sdk/sessiontest"
)

// inset is an uploaded picture as the model shows it: small, in a corner. It is
// never changed.
type inset struct {
	width, height int
	bgr           []byte
}

// insetShare is the part of the picture's width, and of its height, that an inset
// fills at most.
const insetShare = 4

// setImage is the command that takes a picture.
func (s *Server) setImage() sessiontest.Command {
	return sessiontest.Command{
		Name: "set_image", Summary: "Begin with a picture, shown in a corner.", Reply: "image_set",
		Args: []sessiontest.Arg{{Name: "image", Type: sessiontest.File()}},
		Handle: func(_ context.Context, c *sessiontest.Call) (*sessiontest.Message, error) {
			file, _ := c.Args["image"].(*sessiontest.Upload) // it was checked
			in, err := s.newInset(file.Data)
			if err != nil {
				return nil, &sessiontest.CommandError{Code: "unsupported_media", Message: fmt.Sprintf("%s is not an image.", file.Name)}
			}
			s.effect(func(st *state) { st.inset = in })
			return &sessiontest.Message{Type: "image_set", Data: map[string]any{"filename": file.Name, "size": len(file.Data)}}, nil
		},
	}
}

func imageMessage() sessiontest.MessageType {
	return sessiontest.MessageType{
		Name: "image_set", Summary: "The picture is in force.",
		Fields: []sessiontest.Arg{{Name: "filename", Type: sessiontest.String()}, {Name: "size", Type: sessiontest.Integer()}},
	}
}

// newInset reads a file of a picture.
func (s *Server) newInset(file []byte) (*inset, error) {
	m, err := gocv.IMDecode(file, gocv.IMReadColor)
	defer m.Close() //nolint:staticcheck // there is a header to close with an error, too
	if err != nil {
		return nil, err
	}
	if m.Empty() {
		return nil, fmt.Errorf("%d bytes of no picture", len(file))
	}
	width, height := 4*insetShare, 4*insetShare // of a loop, which nothing is shown in
	if s.studio != nil {
		width, height = s.studio.size()
	}
	scale := min(float64(width)/float64(insetShare*m.Cols()), float64(height)/float64(insetShare*m.Rows()))
	in := &inset{width: max(1, int(scale*float64(m.Cols()))), height: max(1, int(scale*float64(m.Rows())))}
	small := gocv.NewMat()
	defer small.Close()
	if err := gocv.Resize(m, &small, image.Pt(in.width, in.height), 0, 0, gocv.InterpolationArea); err != nil {
		return nil, err
	}
	in.bgr = small.ToBytes()
	return in, nil
}

// draw puts the picture into the upper right corner of m.
func (in *inset) draw(m *gocv.Mat) error {
	small, err := gocv.NewMatFromBytes(in.height, in.width, gocv.MatTypeCV8UC3, in.bgr)
	if err != nil {
		return err
	}
	defer small.Close()
	corner := m.Region(image.Rect(m.Cols()-in.width, 0, m.Cols(), in.height))
	defer corner.Close()
	return small.CopyTo(&corner)
}
