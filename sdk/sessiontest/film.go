package sessiontest

// film puts the pictures of a step into one file, a stream for each video
// output that has some, playable from the start. Pictures that are encoded are
// taken as they are, raw ones as they are too: their blocks are not compressed.
func (m Model) film(s *Step) (file []byte, used []usage) {
	var tracks []mp4Track
	var runs []mp4Run
	for _, t := range m.Tracks {
		o := s.outputs[t.Name]
		if o == nil || t.Kind != Video || len(o.frames) == 0 {
			continue
		}
		fps := o.pace(s.Elapsed)
		track := mp4Track{id: uint32(len(tracks) + 1), scale: videoScale}
		run := mp4Run{track: track.id}
		for i, f := range o.frames {
			au := f.Data
			if !f.H264 {
				if len(f.Shape) != 3 || f.Shape[0]*f.Shape[1]*3 != len(f.Data) {
					return nil, nil
				}
				au = pcmPicture(f.Shape[1], f.Shape[0], f.Data)
			}
			if i == 0 && track.describeH264(au) != nil {
				return nil, nil
			}
			data, err := avcc(au)
			if err != nil {
				return nil, nil
			}
			run.samples = append(run.samples, mp4Sample{data, uint32(videoScale / fps), !f.H264 || i == 0})
		}
		tracks, runs = append(tracks, track), append(runs, run)
		used = append(used, usage{
			Kind: "video", Track: t.Name, File: outputFile, Duration: float64(len(o.frames)) / fps,
			Frames: len(o.frames), FPS: fps, Width: track.width, Height: track.height,
		})
	}
	if len(tracks) == 0 {
		return nil, nil
	}
	return append(mp4Head(tracks...), mp4Fragment(1, runs...)...), used
}
