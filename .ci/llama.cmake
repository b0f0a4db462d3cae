# Only the libraries that Python loads: llama-cpp-python builds llama.cpp's command-line helpers too (chat parsers, HTTP, JSON schemas), and
# asks for them by force. A plain variable of the same name hides the one that it sets.
set(LLAMA_BUILD_COMMON OFF)
