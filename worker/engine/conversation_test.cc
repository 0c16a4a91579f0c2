#include "worker/engine/conversation.h"

#include "gtest/gtest.h"
