package wire

func encodeDataClientV0(m *DataClientMessage) (Packet, error) {
	c := m.GetCommand()
	if c == nil {
		return Packet{}, ErrNoForm
	}
	t := typedV0{Type: c.GetType(), Data: object(c.GetData())}
	for name, u := range c.GetUploads() {
		if t.Uploads == nil {
			t.Uploads = map[string]uploadV0{}
		}
		t.Uploads[name] = uploadV0{UploadID: u.GetUploadId(), Name: u.GetName(), MIMEType: u.GetMimeType(), Size: integer(u.GetSize())}
	}
	return packV0(DataChannel, scopedV0{Scope: scopeApplication, Data: t})
}

func encodeControlClientV0(m *ControlClientMessage) (Packet, error) {
	switch p := m.GetPayload().(type) {
	case *ControlClientMessage_Ping:
		return packScoped(scopeRuntime, "ping", emptyV0{})
	case *ControlClientMessage_RequestSchema:
		return packScoped(scopeRuntime, "requestSchema", emptyV0{})
	case *ControlClientMessage_FileUploaded:
		u := p.FileUploaded
		return packScoped(scopeRuntime, "fileUploaded",
			uploadV0{UploadID: u.GetUploadId(), Name: u.GetName(), MIMEType: u.GetMimeType(), Size: integer(u.GetSize())})
	case *ControlClientMessage_RequestClip:
		return packScoped(scopeRuntime, "requestClip", durationV0{DurationSeconds: p.RequestClip.GetDurationSeconds()})
	case *ControlClientMessage_RequestRecording:
		return packScoped(scopeRuntime, "requestRecording", emptyV0{})
	case *ControlClientMessage_PublishTrack:
		return packV0(ControlChannel, requestV0{
			Type: typeRequest, Method: methodPublish, RequestID: m.GetRequestId(),
			Data: nameV0{Name: p.PublishTrack.GetName()},
		})
	case *ControlClientMessage_PauseTrack:
		return packTrackEvent(eventPause, p.PauseTrack.GetName())
	case *ControlClientMessage_ResumeTrack:
		return packTrackEvent(eventResume, p.ResumeTrack.GetName())
	case *ControlClientMessage_UnpublishTrack:
		return packTrackEvent(eventUnpublish, p.UnpublishTrack.GetName())
	}
	return Packet{}, ErrNoForm
}

func decodeClientV0(frame []byte) (ClientMessage, error) {
	e, err := unpackV0(frame)
	if err != nil {
		return nil, err
	}
	switch {
	case e.Scope == scopeApplication:
		return decodeCommandV0(e)
	case e.Scope == scopeRuntime:
		return decodeRuntimeClientV0(e)
	case e.Type == typeRequest && e.Method == methodPublish:
		return decodePublishV0(e)
	case e.Type == typeNotification:
		return decodeTrackEventV0(e)
	}
	return nil, unknownV0(e, "")
}

func decodeCommandV0(e envelopeV0) (ClientMessage, error) {
	in, err := e.inner()
	if err != nil {
		return nil, err
	}
	data, err := structOf(in.Data)
	if err != nil {
		return nil, err
	}
	c := &Command{Type: in.Type, Data: data}
	for name, u := range in.Uploads {
		if c.Uploads == nil {
			c.Uploads = map[string]*UploadReference{}
		}
		c.Uploads[name] = &UploadReference{UploadId: u.UploadID, Name: u.Name, MimeType: u.MIMEType, Size: int64(u.Size)}
	}
	return &DataClientMessage{Kind: MessageKind_MESSAGE_KIND_REQUEST, Payload: &DataClientMessage_Command{Command: c}}, nil
}

func decodeRuntimeClientV0(e envelopeV0) (ClientMessage, error) {
	in, err := e.inner()
	if err != nil {
		return nil, err
	}
	m := &ControlClientMessage{Kind: MessageKind_MESSAGE_KIND_REQUEST}
	switch in.Type {
	case "ping":
		m.Kind = MessageKind_MESSAGE_KIND_NOTIFICATION
		m.Payload = &ControlClientMessage_Ping{Ping: &Ping{}}
	case "requestSchema":
		m.Payload = &ControlClientMessage_RequestSchema{RequestSchema: &RequestSchema{}}
	case "requestRecording":
		m.Payload = &ControlClientMessage_RequestRecording{RequestRecording: &RequestRecording{}}
	case "requestClip":
		var d durationV0
		if err := into(in.Data, &d); err != nil {
			return nil, err
		}
		m.Payload = &ControlClientMessage_RequestClip{RequestClip: &RequestClip{DurationSeconds: d.DurationSeconds}}
	case "fileUploaded":
		var u uploadV0
		if err := into(in.Data, &u); err != nil {
			return nil, err
		}
		m.Kind = MessageKind_MESSAGE_KIND_NOTIFICATION
		m.Payload = &ControlClientMessage_FileUploaded{
			FileUploaded: &FileUploaded{UploadId: u.UploadID, Name: u.Name, MimeType: u.MIMEType, Size: int64(u.Size)},
		}
	default:
		return nil, unknownV0(e, in.Type)
	}
	return m, nil
}

func decodePublishV0(e envelopeV0) (ClientMessage, error) {
	var n nameV0
	if err := into(e.Data, &n); err != nil {
		return nil, err
	}
	return &ControlClientMessage{
		RequestId: e.RequestID, Kind: MessageKind_MESSAGE_KIND_REQUEST,
		Payload: &ControlClientMessage_PublishTrack{PublishTrack: &PublishTrack{Name: n.Name}},
	}, nil
}

func decodeTrackEventV0(e envelopeV0) (ClientMessage, error) {
	var n nameV0
	if err := into(e.Data, &n); err != nil {
		return nil, err
	}
	m := &ControlClientMessage{Kind: MessageKind_MESSAGE_KIND_NOTIFICATION}
	switch e.Event {
	case eventPause:
		m.Payload = &ControlClientMessage_PauseTrack{PauseTrack: &PauseTrack{Name: n.Name}}
	case eventResume:
		m.Payload = &ControlClientMessage_ResumeTrack{ResumeTrack: &ResumeTrack{Name: n.Name}}
	case eventUnpublish:
		m.Payload = &ControlClientMessage_UnpublishTrack{UnpublishTrack: &UnpublishTrack{Name: n.Name}}
	default:
		return nil, unknownV0(e, "")
	}
	return m, nil
}
