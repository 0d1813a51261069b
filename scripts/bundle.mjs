// What has to run outside this checkout, as other users: the gateway and the tour's sample app, each as one file.
import './bundle-gateway.mjs';
import './bundle-sample-app.mjs';
