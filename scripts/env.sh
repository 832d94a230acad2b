# What a shell needs so that go build, go test and gopls find OpenCV and FFmpeg:
#
#	. scripts/env.sh
#
# gocv's own cgo lines name parts of OpenCV that Debian 12 does not have, so its
# tag "customenv" turns them off and the flags come from here. Modules that
# import reactorpipe need the same; `reactorpipe env` prints them.
export CGO_ENABLED=1
export CGO_CPPFLAGS="-I/usr/include/opencv4"
export CGO_CXXFLAGS="-O2 --std=c++11"
export CGO_LDFLAGS="-lopencv_core -lopencv_imgproc -lopencv_imgcodecs"
export GOFLAGS="-tags=customenv,gocv_specific_modules"
