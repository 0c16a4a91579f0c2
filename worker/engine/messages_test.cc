#include "worker/engine/messages.h"

#include "gtest/gtest.h"
