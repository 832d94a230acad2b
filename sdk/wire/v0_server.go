package wire

// encodeDataServerV0 has a form for model messages only: acks, command errors
// and step results are not sent in V0.
func encodeDataServerV0(m *DataServerMessage) (Packet, error) {
	msg := m.GetMessage()
	if msg == nil {
		return Packet{}, ErrNoForm
	}
	return packScoped(scopeApplication, msg.GetType(), object(msg.GetData()))
}

// encodeControlServerV0 has a form for the error of a publish only, the one
// control request that V0 correlates.
func encodeControlServerV0(m *ControlServerMessage) (Packet, error) {
	switch p := m.GetPayload().(type) {
	case *ControlServerMessage_ModelSchema:
		return packScoped(scopeRuntime, "modelSchema", object(p.ModelSchema.GetOpenapi()))
	case *ControlServerMessage_ClipReady:
		return packScoped(scopeRuntime, "clipReady", clipToV0(p.ClipReady))
	case *ControlServerMessage_ClipFailed:
		return packScoped(scopeRuntime, "clipFailed", reasonV0{Reason: p.ClipFailed.GetReason()})
	case *ControlServerMessage_Moderation:
		return packScoped(scopeRuntime, "moderation", moderationToV0(p.Moderation))
	case *ControlServerMessage_SessionEnded:
		return packScoped(scopeRuntime, "sessionEnded", reasonV0{Reason: p.SessionEnded.GetReason()})
	case *ControlServerMessage_PublishTrack:
		return packV0(ControlChannel, requestV0{
			Type: typeResponse, Method: methodPublish, RequestID: m.GetRequestId(), Data: emptyV0{},
		})
	case *ControlServerMessage_Error:
		return packV0(ControlChannel, refusalV0{
			Type: typeResponse, Method: methodPublish, RequestID: m.GetRequestId(),
			Error: errorV0{Code: p.Error.GetCode(), Message: p.Error.GetMessage()},
		})
	}
	return Packet{}, ErrNoForm
}

func decodeServerV0(frame []byte) (ServerMessage, error) {
	e, err := unpackV0(frame)
	if err != nil {
		return nil, err
	}
	switch {
	case e.Scope == scopeApplication:
		return decodeModelMessageV0(e)
	case e.Scope == scopeRuntime:
		return decodeRuntimeServerV0(e)
	case e.Type == typeResponse && e.Method == methodPublish:
		return publishAnswerV0(e), nil
	}
	return nil, unknownV0(e, "")
}

func decodeModelMessageV0(e envelopeV0) (ServerMessage, error) {
	in, err := e.inner()
	if err != nil {
		return nil, err
	}
	data, err := structOf(in.Data)
	if err != nil {
		return nil, err
	}
	return &DataServerMessage{
		Kind:    MessageKind_MESSAGE_KIND_NOTIFICATION,
		Payload: &DataServerMessage_Message{Message: &ModelMessage{Type: in.Type, Data: data}},
	}, nil
}

func decodeRuntimeServerV0(e envelopeV0) (ServerMessage, error) {
	in, err := e.inner()
	if err != nil {
		return nil, err
	}
	m := &ControlServerMessage{Kind: MessageKind_MESSAGE_KIND_RESPONSE}
	var reason reasonV0
	switch in.Type {
	case "modelSchema":
		doc, err := structOf(in.Data)
		if err != nil {
			return nil, err
		}
		m.Payload = &ControlServerMessage_ModelSchema{ModelSchema: &ModelSchema{Openapi: doc}}
	case "clipReady":
		var c clipV0
		if err := into(in.Data, &c); err != nil {
			return nil, err
		}
		m.Payload = &ControlServerMessage_ClipReady{ClipReady: c.message()}
	case "clipFailed":
		if err := into(in.Data, &reason); err != nil {
			return nil, err
		}
		m.Payload = &ControlServerMessage_ClipFailed{ClipFailed: &ClipFailed{Reason: reason.Reason}}
	case "sessionEnded":
		if err := into(in.Data, &reason); err != nil {
			return nil, err
		}
		m.Kind = MessageKind_MESSAGE_KIND_NOTIFICATION
		m.Payload = &ControlServerMessage_SessionEnded{SessionEnded: &SessionEnded{Reason: reason.Reason}}
	case "moderation":
		var v moderationV0
		if err := into(in.Data, &v); err != nil {
			return nil, err
		}
		m.Kind = MessageKind_MESSAGE_KIND_NOTIFICATION
		m.Payload = &ControlServerMessage_Moderation{Moderation: v.message()}
	default:
		return nil, unknownV0(e, in.Type)
	}
	return m, nil
}

func publishAnswerV0(e envelopeV0) *ControlServerMessage {
	m := &ControlServerMessage{RequestId: e.RequestID, Kind: MessageKind_MESSAGE_KIND_RESPONSE}
	if e.Error != nil {
		m.Payload = &ControlServerMessage_Error{Error: &Error{Code: e.Error.Code, Message: e.Error.Message}}
		return m
	}
	m.Payload = &ControlServerMessage_PublishTrack{PublishTrack: &PublishTrackResponse{}}
	return m
}

func clipToV0(c *ClipReady) clipV0 {
	return clipV0{
		SessionID: c.GetSessionId(), Kind: c.GetKind(),
		StartMarker: c.GetStartMarker(), EndMarker: c.GetEndMarker(), NowMarker: c.GetNowMarker(),
		PredictedReadyAtMS: integer(c.GetPredictedReadyAtMs()), PlaylistURL: c.GetPlaylistUrl(),
	}
}

func (c clipV0) message() *ClipReady {
	return &ClipReady{
		SessionId: c.SessionID, Kind: c.Kind,
		StartMarker: c.StartMarker, EndMarker: c.EndMarker, NowMarker: c.NowMarker,
		PredictedReadyAtMs: int64(c.PredictedReadyAtMS), PlaylistUrl: c.PlaylistURL,
	}
}

func moderationToV0(m *Moderation) moderationV0 {
	categories := m.GetCategories()
	if categories == nil {
		categories = []string{}
	}
	return moderationV0{
		Action: m.GetAction(), InputKind: m.GetInputKind(), Command: m.GetCommand(),
		Categories: categories, Message: m.GetMessage(),
	}
}

func (m moderationV0) message() *Moderation {
	return &Moderation{
		Action: m.Action, InputKind: m.InputKind, Command: m.Command,
		Categories: m.Categories, Message: m.Message,
	}
}
