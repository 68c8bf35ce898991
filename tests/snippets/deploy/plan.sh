# What the new release would do in production: 0 is nothing, 10 are pending changes.
code=0
my-app plan || code=$?
[ $code = 0 ] || [ $code = 10 ]
